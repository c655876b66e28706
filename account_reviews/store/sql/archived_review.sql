-- One archived review: the named run, else the newest.
select
  body->'state' as state,
  body->'analysis' as analysis,
  hash,
  archived_at,
  extract(epoch from now() - closed_at) as age

from reviews.archives

where tenant = :tenant
  and review_id = :review_id
  and (cast(:run_id as text) is null or run_id = :run_id)

order by started_at desc
limit 1
