-- The newest complete cycle of each kind and schedule stays: the next one compares with it.
with newest as (
  select distinct on (kind, schedule_id) run_id
  from reviews.cycles
  where tenant = :tenant and status = 'completed'
  order by kind, schedule_id, started_at desc
),

old as (
  select run_id from reviews.cycles
  where tenant = :tenant
    and closed_at < :before
    and run_id not in (select run_id from newest)
    and not exists (
      select from reviews.cycle_accounts a
      where a.run_id = cycles.run_id and a.account_id = any(:held)
    )
  order by closed_at
  limit :few
),

accounts as (
  delete from reviews.cycle_accounts
  where run_id in (select run_id from old)
),

briefs as (
  delete from reviews.cycle_briefs
  where run_id in (select run_id from old)
)

delete from reviews.cycles
where run_id in (select run_id from old)
