with found as (
  select *
  from reviews.web_tokens
  where
    tenant = :tenant and secret_hash = :secret_hash and revoked_at is null
    and (ends_at is null or ends_at > now())
),

used as (
  update reviews.web_tokens as token set used_at = now()
  from found
  where
    token.id = found.id
    and (found.used_at is null or found.used_at < now() - interval '1 minute')
)

select *
from found
