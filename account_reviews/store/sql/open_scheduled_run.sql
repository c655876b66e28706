insert into reviews.schedule_runs as known (
  id, schedule_id, tenant, workflow_id, trigger, scheduled_at, started_at, lateness_seconds, late,
  status, duration_seconds, error
)

values (
  :id, :schedule_id, :tenant, :workflow_id, :trigger, :scheduled_at, :started_at,
  :lateness_seconds, :late, :status, :duration_seconds, :error
)

on conflict (id) do update set
  status = 'running',
  error = null,
  duration_seconds = null

-- A later attempt of a failed run shows it running again; a repeat changes nothing.
where :attempt > 1 and known.status = 'failed'
