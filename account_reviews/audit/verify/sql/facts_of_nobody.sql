-- Facts of kinds that only a review records of itself, or only a write, under other ids than those.
select event_id, xid, seq

from audit.audit_events

where source = 'fact'
  and (cast(:since as timestamptz) is null or recorded_at >= :since)
  and (cast(:review as text) is null or review_id = :review)
  and (
    event_type in (
      'approval_requested', 'approval_decided', 'approval_refused', 'approval_expired',
      'approval_superseded', 'approval_reminder', 'approval_escalated', 'phase_changed',
      'review_note', 'recommendation_generated', 'recommendation_implemented'
    )
    and not coalesce(
      starts_with(event_id, 'timeline/' || run_id || '/')
      or starts_with(event_id, 'phase/' || run_id || '/'),
      false
    )
    or event_type = 'crm_write'
    and event_id is distinct from 'write/' || (details->>'operation_id')
  )

order by xid, seq
limit 1000
