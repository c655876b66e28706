with moved as (
  insert into audit.runs (
    namespace, workflow_id, run_id, workflow_type, tenant, started_at, last_event, closed, context
  )
  select
    namespace, workflow_id, run_id, workflow_type, tenant, started_at, last_event, closed, context
  from jsonb_to_recordset(cast(:runs as jsonb)) as given (
    namespace text,
    workflow_id text,
    run_id text,
    workflow_type text,
    tenant text,
    started_at timestamptz,
    last_event bigint,
    closed boolean,
    context jsonb
  )
  on conflict (run_id) do update set
    last_event = excluded.last_event,
    closed = excluded.closed,
    context = excluded.context,
    updated_at = now()
  -- Of two workers that read the same history, the one that is behind moves nothing back.
  where audit.runs.last_event < excluded.last_event
    or (excluded.closed and not audit.runs.closed)
)

-- The rows, as insert_events.sql adds them.
insert into audit.audit_events (
  event_id, at, source, tenant, event_type, severity, actor, action, resource,
  review_id, account_id, workflow_id, run_id, trace_id, details
)

select
  event_id, at, source, tenant, event_type, severity, actor, action, resource,
  review_id, account_id, workflow_id, run_id, trace_id, details

from jsonb_to_recordset(cast(:rows as jsonb)) as given (
  event_id text,
  at timestamptz,
  source text,
  tenant text,
  event_type text,
  severity text,
  actor text,
  action text,
  resource text,
  review_id text,
  account_id text,
  workflow_id text,
  run_id text,
  trace_id text,
  details jsonb
)

on conflict (event_id, at) do nothing
