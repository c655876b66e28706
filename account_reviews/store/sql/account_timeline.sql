-- Reviews of one account, newest first: what each found, asked and wrote.
with page as (
  select *
  from reviews.review_runs
  where tenant = :tenant
    and account_id = :account
    and (
      cast(:after_at as timestamptz) is null
      or (started_at, run_id) < (:after_at, cast(:after_id as text))
    )
  order by started_at desc, run_id desc
  limit :limit
)

select
  run.run_id,
  run.review_id,
  run.kind,
  run.status,
  run.outcome,
  run.risk_level,
  run.risk_score,
  run.health_score,
  run.started_at,
  run.closed_at,
  run.state#>>'{analysis,health_band}' as health_band,
  run.state->>'started_by' as started_by,
  run.state->>'plan_only' = 'true' as plan_only,
  coalesce(cast(run.state->'written' as text), '{}') as written,
  coalesce(cast(analysis.body->'changes' as text), '[]') as changes,
  coalesce(cast(asked.requests as text), '[]') as requests

from page as run
left join reviews.documents as analysis
  on analysis.hash = run.analysis_hash and analysis.kind = 'analysis'
left join lateral (
  select jsonb_agg(
    jsonb_build_object(
      'short_id', request.account_id || '-' || number.number,
      'body', request.body
    )
    order by request.requested_at, request.request_id
  ) as requests
  from reviews.approval_requests as request
  left join reviews.request_numbers as number using (request_id)
  where request.run_id = run.run_id
) as asked on true

order by run.started_at desc, run.run_id desc
