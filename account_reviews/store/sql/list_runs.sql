-- A page of reviews, newest first, and the names as each has read them.
select
  run_id, review_id, account_id, owner_id, name, agent, purpose, kind, phase, status, outcome,
  risk_level, waiting_on, due_at, needs_attention, started_at, updated_at,
  coalesce((state->>'plan_only')::boolean, false) as plan_only,
  state#>>'{snapshot,account_name}' as account_name,
  state#>>'{snapshot,owner_name}' as owner_name

from (
  select
    run_id, review_id, account_id, owner_id, name, agent, purpose, kind, phase, status, outcome,
    risk_level, waiting_on, due_at, needs_attention, started_at, updated_at, state

  from reviews.review_runs

  where tenant = :tenant

-- only
  order by started_at desc, run_id desc
  limit :limit
) page

order by started_at desc, run_id desc
