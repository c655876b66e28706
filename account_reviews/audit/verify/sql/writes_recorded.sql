-- Writes as the trail has them.
select
  event_id,
  xid,
  seq,
  at,
  action,
  resource,
  actor,
  run_id,
  tenant,
  details->>'change_id' as change_id,
  details->'before' as before,
  details->'after' as after

from audit.audit_events

where source = 'fact'
  and event_type = 'crm_write'
  and (cast(:since as timestamptz) is null or recorded_at >= :since)
  and (cast(:review as text) is null or review_id = :review)
