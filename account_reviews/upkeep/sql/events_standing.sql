select
  count(*) filter (where state <> 'dead') as waiting,
  count(*) filter (where state = 'dead') as dead,
  coalesce(
    extract(epoch from now() - min(received_at) filter (where state <> 'dead')), 0
  ) as oldest,
  max(error) filter (where state <> 'dead') as error
from reviews.webhook_events
where tenant = :tenant and state in ('new', 'waiting', 'dead')
