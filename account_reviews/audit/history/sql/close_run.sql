-- A run that the trail did not know gets its row, closed.
insert into audit.runs as r (
  namespace, workflow_id, run_id, workflow_type, tenant, started_at, last_event, closed
)

values (:namespace, :workflow_id, :run_id, '', :tenant, now(), :last_event, true)

on conflict (run_id) do update set
  closed = true,
  updated_at = now()
where not r.closed

returning tenant, workflow_type, now() as at
