-- The seconds until every key has room again, null when each has. Whoever is turned away is not
-- counted: else he who keeps on trying would keep out the one he tries to be.
with bounds as (
  select key, most
  from unnest(cast(:keys as bytea []), cast(:mosts as integer [])) as given (key, most)
),

gone as (
  delete from reviews.web_attempts where at < now() - cast(:length as interval)
),

full_until as (
  select nth.at + cast(:length as interval) as until
  from bounds
  cross join lateral (
    select at
    from reviews.web_attempts as tried
    where
      tried.tenant = :tenant and tried.key = bounds.key
      and tried.at > now() - cast(:length as interval)
    order by at desc
    offset bounds.most - 1 limit 1
  ) as nth
),

counted as (
  insert into reviews.web_attempts (tenant, key)
  select :tenant, key
  from bounds
  where not exists (select from full_until)
)

select cast(extract(epoch from max(until) - now()) as double precision) as seconds
from full_until
