-- What open pages were told, a day later.
delete from reviews.live_events
where seq in (
  select seq from reviews.live_events
  where tenant = :tenant and at < now() - interval '1 day'
  limit :batch
)
