-- Each as the newest review of one of their accounts has read them.
select wanted.id, newest.name

from unnest(cast(:ids as text[])) as wanted (id)

cross join lateral (
  select state#>>'{snapshot,owner_name}' as name
  from reviews.review_runs
  where tenant = :tenant and owner_id = wanted.id
  order by started_at desc
  limit 1
) as newest
