-- Reviews that were archived or erased, by the run in which they ended: a reset that came later is
-- another matter.
select workflow_run_id from reviews.archives where workflow_run_id = any(:ids)

union

select workflow_run_id from reviews.erased_runs where workflow_run_id = any(:ids)
