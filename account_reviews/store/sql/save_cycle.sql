insert into reviews.cycles as known (
  run_id, cycle_id, tenant, kind, status, reason, schedule_id, started_by,
  as_of, scheduled_at, late, accounts, done, running, waiting, failed,
  joined, missing_sources, version, started_at, updated_at, closed_at
)

values (
  :run_id, :cycle_id, :tenant, :kind, :status, :reason, :schedule_id, :started_by,
  :as_of, :scheduled_at, :late, :accounts, :done, :running, :waiting, :failed,
  :joined, cast(:missing_sources as jsonb), :version, :started_at, :updated_at, :closed_at
)

on conflict (run_id) do update set
  cycle_id = excluded.cycle_id,
  tenant = excluded.tenant,
  kind = excluded.kind,
  status = excluded.status,
  reason = excluded.reason,
  schedule_id = excluded.schedule_id,
  started_by = excluded.started_by,
  as_of = excluded.as_of,
  scheduled_at = excluded.scheduled_at,
  late = excluded.late,
  accounts = excluded.accounts,
  done = excluded.done,
  running = excluded.running,
  waiting = excluded.waiting,
  failed = excluded.failed,
  joined = excluded.joined,
  missing_sources = excluded.missing_sources,
  version = excluded.version,
  updated_at = excluded.updated_at,
  closed_at = excluded.closed_at

-- An attempt that comes late must not undo what a later one saved. A workflow task that was lost
-- with its worker may have come to the same version as the one that is done in its place.
where (known.updated_at, known.version) < (excluded.updated_at, excluded.version)
