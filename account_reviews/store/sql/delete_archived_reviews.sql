with requests as (
  delete from reviews.approval_requests
  where run_id = any(:runs)
),

deliveries as (
  delete from reviews.notification_deliveries
  where run_id = any(:runs)
),

-- What the memory has not got yet stays until it has.
remembered as (
  delete from reviews.memory_outbox
  where run_id = any(:runs) and delivered_at is not null
)

delete from reviews.review_runs
where run_id = any(:runs)
