-- Archives that were written long enough ago to be in the trail, page by page.
select run_id, hash, body, archived_at

from reviews.archives

where archived_at < now() - interval '1 minute'
  and (cast(:since as timestamptz) is null or archived_at >= :since)
  and (cast(:review as text) is null or review_id = :review)
  and run_id > :after

order by run_id
limit 50
