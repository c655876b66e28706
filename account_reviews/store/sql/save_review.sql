-- What the row holds as the statement begins.
with before as materialized (
  select
    state->'history' as moves,
    state->'timeline' as lines,
    (state->>'timeline_dropped')::int as dropped
  from reviews.review_runs
  where run_id = :run_id and state->>'workflow_run_id' = :workflow_run_id
),

saved as (
  insert into reviews.review_runs as known (
    run_id, review_id, tenant, account_id, owner_id, name, kind, phase, status, outcome,
    risk_level, risk_score, health_score, waiting_on, due_at, needs_attention, analysis_hash,
    cycle_id, agent, purpose, context, state, version, started_at, updated_at, closed_at
  )
  values (
    :run_id, :review_id, :tenant, :account_id, :owner_id, :name, :kind, :phase, :status, :outcome,
    :risk_level, :risk_score, :health_score, cast(:waiting_on as jsonb), :due_at,
    :needs_attention, :analysis_hash, :cycle_id, :agent, :purpose, cast(:context as jsonb),
    cast(:state as jsonb), :version, :started_at, :updated_at, :closed_at
  )
  on conflict (run_id) do update set
    review_id = excluded.review_id,
    tenant = excluded.tenant,
    account_id = excluded.account_id,
    owner_id = excluded.owner_id,
    name = excluded.name,
    kind = excluded.kind,
    phase = excluded.phase,
    status = excluded.status,
    outcome = excluded.outcome,
    risk_level = excluded.risk_level,
    risk_score = excluded.risk_score,
    health_score = excluded.health_score,
    waiting_on = excluded.waiting_on,
    due_at = excluded.due_at,
    needs_attention = excluded.needs_attention,
    analysis_hash = excluded.analysis_hash,
    cycle_id = excluded.cycle_id,
    agent = excluded.agent,
    purpose = excluded.purpose,
    context = excluded.context,
    state = excluded.state,
    version = excluded.version,
    started_at = excluded.started_at,
    updated_at = excluded.updated_at,
    closed_at = excluded.closed_at
  -- What a workflow task saved that was lost with its worker: the task that is done in its place,
  -- later and perhaps with another signal, may come to the same version or a lower one. Another run
  -- of the same review, as after a reset, may count from lower versions too. The row of whoever
  -- started it, version 0, has the time of another clock: it gives way to every other.
  where case
      when 0 in (known.version, excluded.version) then known.version < excluded.version
      else ((known.state->>'updated_at')::timestamptz, known.version)
        < (excluded.updated_at, excluded.version)
    end
    or known.state->>'workflow_run_id' <> excluded.state->>'workflow_run_id'
  returning run_id
),

-- What the account is worth a year.
worth as (
  select cast(body#>>'{account,annual_revenue}' as numeric) as value
  from reviews.documents
  where hash = cast(:snapshot_hash as text)
    and pg_input_is_valid(body#>>'{account,annual_revenue}', 'numeric')
),

requests as (
  insert into reviews.approval_requests as known (
    request_id, run_id, review_id, tenant, account_id, owner_id, state, requested_at, deadline,
    body, version, value
  )
  select
    request_id, run_id, review_id, tenant, account_id, owner_id, state, requested_at, deadline,
    body, version, (select worth.value from worth)
  from jsonb_populate_recordset(null::reviews.approval_requests, cast(:requests as jsonb))
  where exists (select from saved)
  on conflict (request_id) do update set
    state = excluded.state,
    body = excluded.body,
    version = excluded.version,
    value = excluded.value
),

-- What people call them by. Of two reviews of an account that save at once, one leaves its number
-- to its next save.
numbers as (
  insert into reviews.request_numbers (request_id, tenant, account_id, number)
  select
    fresh.request_id,
    fresh.tenant,
    fresh.account_id,
    row_number() over (order by fresh.requested_at, fresh.request_id) + (
      select coalesce(max(number), 0) from reviews.request_numbers as known
      where known.tenant = :tenant and known.account_id = :account_id
    )
  from jsonb_populate_recordset(null::reviews.approval_requests, cast(:requests as jsonb)) as fresh
  where exists (select from saved)
    and not exists (
      select from reviews.request_numbers as known where known.request_id = fresh.request_id
    )
  on conflict do nothing
),

-- Requests that only a run before a reset, or a task that was lost, knew of: nobody can decide on
-- them any more.
left_behind as (
  update reviews.approval_requests as known set
    state = 'superseded',
    body = known.body || jsonb_build_object(
      'state', 'superseded',
      'closed_at', cast(:updated_at as timestamptz),
      'items', (
        select jsonb_agg(
          case
            when one->>'state' in ('proposed', 'approved', 'adjusted')
              then one || '{"state": "superseded", "reason": "the review goes on without it"}'
            else one
          end
          order by place
        )
        from jsonb_array_elements(known.body->'items') with ordinality as items (one, place)
      )
    ),
    version = :version
  where known.run_id = :run_id
    and known.state = 'pending'
    and exists (select from saved)
    and not exists (
      select from jsonb_array_elements(cast(:requests as jsonb)) as mine
      where mine->>'request_id' = known.request_id
    )
),

outcomes as (
  insert into reviews.proposal_outcomes as known (
    run_id, change_id, tenant, account_id, rule, recommendation_type, state, by, at, reason,
    risk_level, evidence_hash, clock_at, on_timeout
  )
  select
    run_id, change_id, tenant, account_id, rule, recommendation_type, state, by, at, reason,
    risk_level, evidence_hash, clock_at, on_timeout
  from jsonb_populate_recordset(null::reviews.proposal_outcomes, cast(:outcomes as jsonb))
  where exists (select from saved)
  on conflict (run_id, change_id) do update set
    state = excluded.state,
    by = excluded.by,
    at = excluded.at,
    clock_at = excluded.clock_at,
    reason = excluded.reason
  -- What was taken back since stays so, should its review be saved once more.
  where known.state <> 'undone'
),

-- What it wants remembered: once, however often it is saved. Delivered apart from the review.
memory as (
  insert into reviews.memory_outbox as known (run_id, tenant, account_id, items)
  select run_id, tenant, account_id, items
  from jsonb_populate_recordset(null::reviews.memory_outbox, cast(:memories as jsonb))
  where exists (select from saved)
  on conflict (run_id) do update set items = excluded.items
  where known.delivered_at is null
),

baseline as (
  insert into reviews.account_baselines as known (
    tenant, account_id, snapshot_hash, run_id, risk_score, risk_level, taken_at, closed_at
  )
  select tenant, account_id, snapshot_hash, run_id, risk_score, risk_level, taken_at, closed_at
  from jsonb_populate_recordset(null::reviews.account_baselines, cast(:baselines as jsonb))
  where exists (select from saved)
  on conflict (tenant, account_id) do update set
    snapshot_hash = excluded.snapshot_hash,
    run_id = excluded.run_id,
    risk_score = excluded.risk_score,
    risk_level = excluded.risk_level,
    taken_at = excluded.taken_at,
    closed_at = excluded.closed_at
  -- The review that closed last, by whatever clock its rules went.
  where known.closed_at is null or known.closed_at <= excluded.closed_at
),

-- Its place among the open interactive reviews: the first save says whose it is, the closing one
-- gives it back. One that is open and has none, as after a reset or with a database that was
-- restored, takes one again.
seated as (
  insert into reviews.admission as known (reservation_id, tenant, workflow_id, run_id)
  select cast(:reservation_id as text), :tenant, :review_id, :run_id
  where cast(:reservation_id as text) is not null
    and cast(:closed_at as timestamptz) is null
    and exists (select from saved)
  on conflict (reservation_id) do update set run_id = excluded.run_id
  where known.run_id is null
),

left_seat as (
  delete from reviews.admission
  where reservation_id = :reservation_id
    and cast(:closed_at as timestamptz) is not null
    and exists (select from saved)
),

-- A document, as put_document.sql stores one.
young as (
  update reviews.documents set created_at = now()
  where hash = :document_hash and created_at < now() - interval '1 hour'
  returning 1
),

document as (
  insert into reviews.documents (hash, kind, body)
  select
    cast(:document_hash as text),
    cast(:document_kind as text),
    cast(:document_body as jsonb)
  from (select count(*) from young) as first
  where cast(:document_hash as text) is not null
  on conflict (hash) do nothing
)

insert into reviews.audit_outbox (event_id, body)

select
  fact.body->>'event_id',
  case
    when fact.analysis is null then fact.body
    else jsonb_set(fact.body, '{details,recommendations}', coalesce(made.list, '[]'))
  end || cast(:shared as jsonb)

from jsonb_to_recordset(cast(:facts as jsonb))
  as fact (list text, n int, place int, analysis text, body jsonb)
left join lateral (
  select jsonb_agg(jsonb_build_object(
    'id', one->>'id',
    'type', one->>'type',
    'priority', one->>'priority',
    'confidence', one->>'confidence'
  )) as list
  from reviews.documents d, jsonb_array_elements(d.body->'recommendations') one
  where d.hash = fact.analysis
) made on true

-- New is what the row did not hold at that place and time.
where exists (select from saved)
  and not exists (
    select from before
    where (fact.list = 'timeline' and fact.n < dropped)
      or (fact.body->>'at')::timestamptz = (
        case fact.list
          when 'timeline' then lines->(fact.n - dropped)
          else moves->fact.n
        end->>'at'
      )::timestamptz
  )

order by fact.place
