with found as (
  select s.id_hash, s.seen_at, s.ends_at, p.name, p.roles, p.groups
  from reviews.web_sessions as s
  join reviews.people as p using (tenant, person)
  where
    s.id_hash = :id_hash and s.tenant = :tenant and s.ends_at > now()
    and s.seen_at > now() - cast(:idle as interval)
    and (p.until_at is null or p.until_at > now())
),

seen as (
  update reviews.web_sessions as s set seen_at = now()
  from found
  where s.id_hash = found.id_hash and found.seen_at < now() - interval '1 minute'
)

select name, roles, groups, ends_at
from found
