-- Its version stays: nothing has happened in the review.
update reviews.review_runs set
  state = b->'state',
  context = b->'context',
  name = b->>'name',
  purpose = b->>'purpose',
  agent = b->>'agent',
  waiting_on = b->'waiting_on',
  erased_at = now()
from (select cast(:body as jsonb) as b) as new
where run_id = :k1
