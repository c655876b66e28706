-- The reviews of one account, newest first, with what each has found.
select
  r.run_id, r.review_id, r.kind, r.phase, r.status, r.outcome, r.risk_level, r.risk_score,
  r.health_score, r.due_at, r.needs_attention, r.started_at, r.closed_at,
  r.state#>>'{analysis,health_band}' as health_band,
  r.state->>'started_by' as started_by,
  r.state->>'summary' as summary,
  r.state->>'plan_only' = 'true' as plan_only,
  r.state->>'as_of' as as_of

from reviews.review_runs r

where r.tenant = :tenant and r.account_id = :account

order by r.started_at desc, r.run_id desc

limit :limit
