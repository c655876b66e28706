-- Accounts that the cycles before :run_id selected and that nobody reviewed: they failed, or were
-- not started. Cycles of its schedule, or without one of the same scope, from the last that was
-- completed on: each takes what the ones before it left, so that no older one is needed.
with before as (
  select before.run_id, before.started_at, before.status

  from reviews.cycles as now
  join reviews.cycles as before
    on before.tenant = now.tenant
    and before.run_id <> now.run_id
    and before.started_at < now.started_at
    and (
      before.schedule_id = now.schedule_id
      or (
        before.schedule_id is null
        and now.schedule_id is null
        and before.kind = now.kind
        and before.portfolio->'scope' = cast(:scope as jsonb)
      )
    )

  where now.run_id = :run_id
),

last as (
  select distinct on (a.account_id) a.account_id, a.state, before.started_at

  from before
  join reviews.cycle_accounts a on a.run_id = before.run_id

  where before.started_at >= coalesce(
    (select max(started_at) from before where status = 'completed'),
    '-infinity'
  )

  order by a.account_id, before.started_at desc
)

select last.account_id

from last

-- A review that somebody else started since then has seen what changed.
where last.state in ('failed', 'skipped', 'queued')
  and not exists (
    select from reviews.account_baselines b
    join reviews.review_runs r on r.run_id = b.run_id
    where b.tenant = :tenant
      and b.account_id = last.account_id
      and r.started_at >= last.started_at
  )

order by last.account_id
