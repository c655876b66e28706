-- What was seen within the time that keys are kept is a repeat. Two requests with one key come one
-- after the other: the second waits until the first is committed, and finds its key.
with given as (
  select body->>'source' as source, body->>'key' as key, body->'events' as events, place
  from jsonb_array_elements(cast(:deliveries as jsonb)) with ordinality as listed (body, place)
),

fresh as (
  insert into reviews.webhook_keys as known (tenant, source, key)
  select :tenant, source, key
  from given
  order by source, key
  on conflict (tenant, source, key) do update set seen_at = now()
  where known.seen_at < now() - make_interval(secs => :kept)
  returning source, key
)

insert into reviews.webhook_events (
  tenant, source, key, record_type, record_id, action, account_id, occurred_at
)

select
  :tenant, given.source, given.key, event->>'record_type', event->>'record_id', event->>'action',
  event->>'account_id', cast(event->>'occurred_at' as timestamptz)

from given
join fresh on fresh.source = given.source and fresh.key = given.key
cross join jsonb_array_elements(given.events) with ordinality as events (event, number)
order by given.place, events.number

returning id, key
