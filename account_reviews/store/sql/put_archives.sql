-- A review that was archived, reset in Temporal and has ended again is archived anew.
insert into reviews.archives as known (
  run_id, hash, review_id, workflow_run_id, tenant, account_id, owner_id, outcome, started_at,
  closed_at, body
)
select
  run_id, hash, review_id, workflow_run_id, tenant, account_id, owner_id, outcome, started_at,
  closed_at, body
from jsonb_populate_recordset(null::reviews.archives, cast(:archives as jsonb))
on conflict (run_id) do update set
  hash = excluded.hash,
  workflow_run_id = excluded.workflow_run_id,
  owner_id = excluded.owner_id,
  outcome = excluded.outcome,
  closed_at = excluded.closed_at,
  archived_at = now(),
  body = excluded.body
