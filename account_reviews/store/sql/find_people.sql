select name, roles, groups
from reviews.people
where
  tenant = :tenant and person = any(cast(:people as text []))
  and (until_at is null or until_at > now())

union all

select name, roles, cast('{}' as text []) as groups
from reviews.web_tokens
where
  tenant = :tenant and person = any(cast(:people as text [])) and revoked_at is null
  and (ends_at is null or ends_at > now())
