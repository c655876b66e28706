-- What reviews of an account that began before a moment found, the newest first. An undo analyses
-- nothing. Several may go by the same clock.
select
  cast(run.state->>'as_of' as timestamptz) as at,
  run.risk_score,
  run.risk_level,
  cast(run.health_score as integer) as health_score,
  run.state#>>'{analysis,health_band}' as health_band

from reviews.review_runs as run

where run.tenant = :tenant
  and run.account_id = :account_id
  and run.analysis_hash is not null
  and run.kind <> 'undo'
  and run.started_at < :before

order by run.started_at desc
limit :most
