-- Reviews that have a row, and those that ended in these runs and were archived or erased since: a
-- reset that came later has another run.
select run_id from reviews.review_runs where run_id = any(:ids)

union

select workflow_run_id from reviews.archives where workflow_run_id = any(:ids)

union

select workflow_run_id from reviews.erased_runs where workflow_run_id = any(:ids)
