-- How accounts stood when their last review closed, as far as it had an analysis.
select distinct on (account_id)
  account_id,
  closed_at,
  risk_level,
  risk_score,
  health_score
from reviews.review_runs
where
  tenant = :tenant
  and account_id = any(:account_ids)
  and closed_at is not null
  and kind <> 'undo'
  and analysis_hash is not null
order by account_id, closed_at desc
