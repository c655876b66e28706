-- With its next version, so that a rebuild that asked the review before this does not write now.
update reviews.review_runs set
  state = b->'state',
  context = b->'context',
  name = b->>'name',
  purpose = b->>'purpose',
  agent = b->>'agent',
  waiting_on = b->'waiting_on',
  version = version + 1,
  erased_at = now()
from (select cast(:body as jsonb) as b) as new
where run_id = :k1
