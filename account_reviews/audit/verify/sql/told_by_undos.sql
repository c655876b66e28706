-- Times at which reviews ended that have taken something of these runs back, and that a fact of the
-- undo itself is the proof of.
select at

from audit.audit_events

where review_id = any(:undos)
  and source = 'fact'
  and event_type = 'phase_changed'
  and details->>'outcome' = 'completed'
