-- A page of cycles, newest first. A value that is null does not narrow it.
select
  run_id, cycle_id, kind, status, reason, schedule_id, started_by, as_of, scheduled_at, late,
  accounts, done, running, waiting, failed, joined, missing_sources, started_at, updated_at,
  closed_at

from reviews.cycles

where tenant = :tenant
  and (cast(:status as text) is null or status = :status)
  and (cast(:kind as text) is null or kind = :kind)
  and (
    cast(:cycle as text) is null
    or cycle_id = :cycle or run_id = :cycle or cycle_id = 'cycle/' || :cycle
    or (cast(:begins as text) is not null and starts_with(cycle_id, :begins))
  )
  and (
    cast(:after_at as timestamptz) is null
    or (started_at, run_id) < (:after_at, cast(:after_id as text))
  )

order by started_at desc, run_id desc
limit :limit
