-- One review: the named run, else the open one, else the newest.
select state, extract(epoch from now() - updated_at) as age

from reviews.review_runs

where tenant = :tenant
  and review_id = :review_id
  and (cast(:run_id as text) is null or run_id = :run_id)

order by (closed_at is null) desc, started_at desc
limit 1
