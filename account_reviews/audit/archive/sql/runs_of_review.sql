select
  details->>'first_run_id' as first,
  run_id,
  at

from audit.audit_events

where tenant = :tenant
  and review_id = :review_id
  and source = 'history'
  and event_type in ('session_started', 'session_continued')
  and details ? 'first_run_id'

order by at, seq
