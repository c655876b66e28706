with gone as (
  delete from reviews.web_sessions where tenant = :tenant and ends_at < now()
),

old_links as (
  delete from reviews.web_links where tenant = :tenant and ends_at < now()
),

old_uses as (
  delete from reviews.web_used where tenant = :tenant and ends_at < now() - interval '1 day'
),

seen as (
  update reviews.people set seen_at = now()
  where tenant = :tenant and person = :person
)

insert into reviews.web_sessions (id_hash, tenant, person, ends_at)
values (:id_hash, :tenant, :person, now() + cast(:length as interval))
