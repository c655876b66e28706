-- What these reviews recorded of themselves, and whether a step of theirs was done again.
select
  e.run_id,
  e.event_id,
  e.xid,
  e.seq,
  e.at,
  e.event_type,
  e.actor,
  e.action,
  e.resource,
  e.details,
  exists (
    select from audit.audit_events h
    where h.workflow_id = e.workflow_id
      and h.tenant = e.tenant
      and h.review_id = e.review_id
      and h.source = 'history'
      and h.event_type in ('workflow_task_failed', 'workflow_task_timed_out')
  ) as again

from audit.audit_events e

where e.run_id = any(:runs)
  and e.source = 'fact'
  and (
    starts_with(e.event_id, 'timeline/' || e.run_id || '/')
    or starts_with(e.event_id, 'phase/' || e.run_id || '/')
  )
