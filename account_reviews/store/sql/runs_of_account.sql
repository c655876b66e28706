select run_id, review_id, state->>'workflow_run_id' as workflow_run_id, closed_at is null as is_open
from reviews.review_runs
where tenant = :tenant and account_id = :account_id

union

select run_id, review_id, workflow_run_id, false
from reviews.archives
where tenant = :tenant and account_id = :account_id

order by is_open desc, run_id
