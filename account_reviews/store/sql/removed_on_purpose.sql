-- Reviews that were archived or erased, or that a person was taken out of, by the run in which they
-- ended: a reset that came later is another matter.
select workflow_run_id from reviews.archives where workflow_run_id = any(:ids)

union

select workflow_run_id from reviews.erased_runs where workflow_run_id = any(:ids)

union

select state->>'workflow_run_id'
from reviews.review_runs
where erased_at is not null and state->>'workflow_run_id' = any(:ids)
