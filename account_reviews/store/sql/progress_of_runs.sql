-- How far reviews are. An interactive one waits for whoever asks once it has looked at its account.
select
  run_id,
  phase,
  status,
  outcome,
  case when outcome in ('abandoned', 'failed') then state->>'reason' end as reason,
  status = 'waiting'
    or (
      phase = 'investigating'
      and status = 'running'
      and analysis_hash is not null
      and coalesce((state->>'interactive')::boolean, false)
    ) as waits

from reviews.review_runs

where run_id = any(:ids)
