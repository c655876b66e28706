with old as (
  select run_id from reviews.review_runs
  where tenant = :tenant and closed_at < :before
  order by closed_at
  limit :batch
),

requests as (
  delete from reviews.approval_requests
  where run_id in (select run_id from old)
),

-- What the memory has not got yet stays until it has.
remembered as (
  delete from reviews.memory_outbox
  where run_id in (select run_id from old) and delivered_at is not null
)

delete from reviews.review_runs
where run_id in (select run_id from old)
