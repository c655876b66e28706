-- Writes that were made long enough ago to be recorded.
select operation_id

from reviews.crm_operations

where result is not null
  and applied_at < now() - interval '2 minutes'
  and applied_at >= :since
  and (cast(:runs as text[]) is null or split_part(operation_id, ':', 1) = any(:runs))
