-- Seconds since an account was read last, as the newest reviews know it; null when none was.
select extract(epoch from now() - max(cast(snapshot->>'fetched_at' as timestamptz))) as seconds

from (
  select state->'snapshot' as snapshot
  from reviews.review_runs
  where tenant = :tenant and jsonb_typeof(state->'snapshot') = 'object'
  order by started_at desc
  limit 50
) newest
