-- Writes as the ledger of the CRM has them.
select operation_id, action, record, applied_at, before, after, result

from crm.operations

where result is not null
  and operation_id = any(:ids)
