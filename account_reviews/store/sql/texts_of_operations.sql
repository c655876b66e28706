select
  operation_id as k1,
  null as k2,
  jsonb_build_object(
    'change', change, 'record', record, 'before', before, 'after', after, 'result', result
  ) as body

from reviews.crm_operations

where tenant = :tenant
