update reviews.crm_operations

set
  change = nullif(b->'change', 'null'),
  record = nullif(b->'record', 'null'),
  before = nullif(b->'before', 'null'),
  after = b->'after',
  result = nullif(b->'result', 'null'),
  erased_at = now()

from (select cast(:body as jsonb) as b) as new

where operation_id = :k1
