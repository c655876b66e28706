-- Number, transaction and time of recording are the database's own.
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
