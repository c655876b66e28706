-- Writes of a tenant that the trail has not got, the oldest first.
select
  operation_id, tenant, change_id, action, account_id, record, before, after, result, applied_at

from reviews.crm_operations

where audited_at is null
  and result is not null
  and tenant = :tenant

order by applied_at
limit :most
for update skip locked
