-- What was taken back of what reviews of an account wrote, the first one first.
select
  run.closed_at as at,
  cast(run.state as text) as state

from reviews.review_runs as run

where run.tenant = :tenant
  and run.account_id = :account_id
  and run.kind = 'undo'
  and run.outcome = 'completed'
  and run.closed_at > :since

order by run.closed_at
