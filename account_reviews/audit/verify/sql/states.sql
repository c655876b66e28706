-- Reviews that have rested for a minute, page by page. One that a person was taken out of says
-- other words than it recorded.
select run_id, review_id, closed_at is not null as closed, state

from reviews.review_runs

where updated_at < now() - interval '1 minute'
  and erased_at is null
  and (cast(:since as timestamptz) is null or updated_at >= :since)
  and (cast(:review as text) is null or review_id = :review)
  and run_id > :after

order by run_id
limit 100
