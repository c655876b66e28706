-- What the trail said last of the archives of these runs.
select distinct on (run_id)
  run_id,
  event_id,
  xid,
  seq,
  details->>'hash' as hash

from audit.audit_events

where run_id = any(:runs)
  and source = 'fact'
  and event_type = 'review_archived'

order by run_id, at desc, seq desc
