-- He is who he says: his name from this address is counted from the beginning, and this one try of
-- his counts against neither the address nor the name.
with newest as (
  select distinct on (key) ctid
  from reviews.web_attempts
  where tenant = :tenant and key = any(cast(:once as bytea []))
  order by key, at desc
)

delete from reviews.web_attempts
where
  tenant = :tenant
  and (key = any(cast(:every as bytea [])) or ctid in (select ctid from newest))
