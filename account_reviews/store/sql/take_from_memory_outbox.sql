-- Taken rows are not due before their turn comes again: another worker passes them over, and a
-- crash in the middle of a delivery only makes it be tried again.
with due as (
  select run_id
  from reviews.memory_outbox
  where tenant = :tenant and delivered_at is null and next_at <= now()
  order by next_at, run_id
  limit :most
  for update skip locked
)

update reviews.memory_outbox as waiting set
  attempts = attempts + 1,
  next_at = now() + least(3600, 2 * power(2, least(attempts, 12))) * interval '1 second'

from due
where waiting.run_id = due.run_id
returning waiting.run_id, waiting.account_id, waiting.items
