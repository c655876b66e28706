-- A page of the runs of one schedule, newest first.
select
  id, schedule_id, workflow_id, trigger, scheduled_at, started_at, lateness_seconds, late,
  status, accounts_processed, duration_seconds, error

from reviews.schedule_runs

where tenant = :tenant
  and schedule_id = :schedule_id
  and (
    cast(:after_at as timestamptz) is null
    or (started_at, id) < (:after_at, cast(:after_id as text))
  )

order by started_at desc, id desc
limit :limit
