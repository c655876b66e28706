-- A try to send: the row is taken unless it was sent, or another try has it still.
with begun as (
  insert into reviews.notification_deliveries as known (
    key, tenant, kind, about, level, channel, recipient, name, run_id, review_id, account_id,
    state, attempts, begun_at, held_until
  )
  values (
    :key, :tenant, :kind, :about, :level, :channel, :recipient, :name, :run_id, :review_id,
    :account_id, 'trying', 1, now(), now() + make_interval(secs => :hold)
  )
  on conflict (key) do update
  set
    state = 'trying',
    attempts = known.attempts + 1,
    begun_at = excluded.begun_at,
    held_until = excluded.held_until,
    ended_at = null,
    run_id = excluded.run_id,
    name = coalesce(excluded.name, known.name)
  where known.state <> 'sent' and known.held_until <= now()
  returning known.key
)

-- As it stood before: what another transaction has put there meanwhile is not seen here.
select
  exists (select from begun) as ours,
  case when known.state = 'sent' then known.ended_at end as sent_at,
  known.name,
  greatest(0, extract(epoch from known.held_until - now()))::double precision as wait_seconds

from (select 1) as one
left join reviews.notification_deliveries known on known.key = :key
