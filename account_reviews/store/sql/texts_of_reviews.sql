-- What closed reviews of the tenant say in their rows.
select
  run_id as k1,
  null as k2,
  jsonb_build_object(
    'state', state,
    'context', context,
    'name', name,
    'purpose', purpose,
    'agent', agent,
    'waiting_on', waiting_on
  ) as body

from reviews.review_runs

where tenant = :tenant and closed_at is not null
