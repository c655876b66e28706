with picked as (
  select id from reviews.audit_outbox
  order by id
  limit :most
  for update skip locked
),

taken as (
  delete from reviews.audit_outbox o
  using picked p
  where o.id = p.id
  returning o.id, o.body
),

added as (
  insert into audit.audit_events (
    event_id, at, source, tenant, event_type, severity, actor, action, resource,
    review_id, account_id, workflow_id, run_id, trace_id, details
  )
  select
    event_id, at, source, tenant, event_type, severity, actor, action, resource,
    review_id, account_id, workflow_id, run_id, trace_id, details
  from taken, jsonb_to_record(taken.body) as given (
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
  order by taken.id
  on conflict (event_id, at) do nothing
  returning at
)

select
  (select count(*) from taken) as taken,
  (select count(*) from added) as added,
  (select min(at) from added) as oldest
