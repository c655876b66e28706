-- Writes as an SQL CRM in another database has noted them.
select
  operation_id, action, record, applied_at, before, after, result,
  cast(null as timestamptz) as erased_at

from crm.operations

where result is not null
  and operation_id = any(:ids)
