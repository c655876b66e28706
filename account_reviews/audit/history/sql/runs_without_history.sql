select distinct workflow_id, run_id

from audit.audit_events e

where source = 'attempt'
  and workflow_id is not null
  and at >= coalesce(:since, '-infinity'::timestamptz)
  and not exists (select from audit.runs r where r.run_id = e.run_id)
