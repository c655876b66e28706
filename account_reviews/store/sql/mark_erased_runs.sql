insert into reviews.erased_runs (run_id, workflow_run_id, tenant, erasure_id)

select run_id, state->>'workflow_run_id', tenant, :erasure_id
from reviews.review_runs
where tenant = :tenant and account_id = :account_id

union

select run_id, workflow_run_id, tenant, :erasure_id
from reviews.archives
where tenant = :tenant and account_id = :account_id

on conflict (run_id) do nothing
