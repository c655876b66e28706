-- What the memory got after the rows of its review had gone.
delete from reviews.memory_outbox
where run_id in (
  select o.run_id
  from reviews.memory_outbox o
  where o.tenant = :tenant
    and o.delivered_at < :before
    and not exists (select from reviews.review_runs r where r.run_id = o.run_id)
  limit :batch
)
