-- Each as its newest review has read it.
select wanted.id, newest.name

from unnest(cast(:ids as text[])) as wanted (id)

cross join lateral (
  select state#>>'{snapshot,account_name}' as name
  from reviews.review_runs
  where tenant = :tenant and account_id = wanted.id
  order by started_at desc
  limit 1
) as newest
