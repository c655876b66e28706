-- These accounts, with the name that the newest review of each has read.
select wanted.id, named.name

from unnest(cast(:ids as text[])) as wanted (id)
cross join lateral (
  select run.state#>>'{snapshot,account_name}' as name
  from reviews.review_runs as run
  where run.tenant = :tenant and run.account_id = wanted.id
  order by run.started_at desc
  limit 1
) as named
