-- Digests that were sent, and what was sent by reviews whose rows are gone.
delete from reviews.notification_deliveries
where key in (
  select n.key
  from reviews.notification_deliveries n
  where n.tenant = :tenant
    and n.ended_at < :before
    and not exists (select from reviews.review_runs r where r.run_id = n.run_id)
  limit :batch
)
