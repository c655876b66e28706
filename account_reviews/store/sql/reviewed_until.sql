-- Up to when changes were reviewed before the cycle :run_id: the clock of the last cycle of its
-- schedule, or without one of the same scope, that was completed. Where none was, the begin of what
-- the first one would have taken, which was missed or failed.
select coalesce(
  max(before.as_of) filter (where before.status = 'completed'),
  min(before.as_of) - make_interval(secs => :window)
)

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
