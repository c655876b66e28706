select s.*

from audit.audit_events s

-- The two rows of an attempt have the same id but for its last word.
where s.source = 'attempt'
  and s.event_id like '%/start'
  and s.at >= coalesce(:since, '-infinity'::timestamptz)
  and not exists (
    select from audit.audit_events e
    where e.event_id = left(s.event_id, -5) || 'end'
  )

order by s.run_id, s.at
