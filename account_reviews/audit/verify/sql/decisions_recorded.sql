-- What these reviews recorded of decisions.
select
  run_id,
  event_id,
  xid,
  seq,
  at,
  recorded_at,
  event_type,
  action,
  actor,
  details->>'decision_id' as decision_id

from audit.audit_events

where run_id = any(:runs)
  and source = 'fact'
  and (
    event_type in ('approval_decided', 'approval_refused')
    or action in ('malformed_signal', 'approval_early')
  )

order by at, seq
