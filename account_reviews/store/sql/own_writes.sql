-- Which versions of these records are what writes of ours have left, and of which of the accounts
-- a write is under way.
select
  result->'record'->>'type' as record_type,
  result->'record'->>'id' as record_id,
  result->'record'->>'version' as version,
  account_id,
  settled_at is null and lease_until > clock_timestamp() as under_way

from reviews.crm_operations

where tenant = :tenant
  and account_id = any(cast(:accounts as text[]))
  and (
    result->'record'->>'id' = any(cast(:records as text[]))
    or settled_at is null and lease_until > clock_timestamp()
  )
