-- Taken events are not due before their turn comes again: another worker passes them over, and
-- what a crash leaves in the middle is only done again.
with due as (
  select id
  from reviews.webhook_events
  where tenant = :tenant and state = 'new' and next_at <= now()
  order by next_at, id
  limit :most
  for update skip locked
)

update reviews.webhook_events as event set
  attempts = attempts + 1,
  next_at = now() + make_interval(secs => :lease)

from due
where event.id = due.id
returning
  event.id, event.source, event.record_type, event.record_id, event.action, event.account_id,
  event.received_at, event.attempts
