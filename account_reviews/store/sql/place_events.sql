-- An account that is being worked on, or is due already, stays due when it is.
with given as (
  select (body->>'id')::bigint as id, body->>'account_id' as account_id
  from jsonb_array_elements(cast(:placed as jsonb)) as listed (body)
),

moved as (
  update reviews.webhook_events as event set
    state = 'waiting', account_id = given.account_id, error = null
  from given
  where event.id = given.id and event.state = 'new'
  returning event.account_id
)

insert into reviews.event_accounts as known (tenant, account_id, due_at)
select distinct :tenant, account_id, now() + make_interval(secs => :settle)
from moved
order by account_id
on conflict (tenant, account_id) do update set
  due_at = coalesce(
    known.due_at,
    greatest(excluded.due_at, known.handled_at + make_interval(secs => :quiet))
  )
