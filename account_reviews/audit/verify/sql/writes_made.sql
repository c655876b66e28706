-- Writes as the ledger of operations has them.
select operation_id, action, record, applied_at, before, after, result, erased_at

from reviews.crm_operations

where result is not null
  and operation_id = any(:ids)
