with requests as (
  delete from reviews.approval_requests
  where run_id = any(:runs)
),

deliveries as (
  delete from reviews.notification_deliveries
  where run_id = any(:runs)
),

-- Of what was written the archive tells; that it was stays, as the trail has it.
written as (
  update reviews.crm_operations
  set
    change = null,
    before = '{}',
    after = '{}',
    record = record - 'name' - 'url',
    result = jsonb_set(result - 'before' - 'current', '{record}', record - 'name' - 'url'),
    erased_at = now()
  where split_part(operation_id, ':', 1) = any(:runs)
    and erased_at is null
    and (result is null or audited_at is not null)
),

-- What the memory has not got yet stays until it has.
remembered as (
  delete from reviews.memory_outbox
  where run_id = any(:runs) and delivered_at is not null
)

delete from reviews.review_runs
where run_id = any(:runs)
