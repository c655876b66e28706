with twice as (
  select event_id from audit.audit_events
  where {which}
  group by event_id
  having count(*) > 1
),

-- An attempt that was closed as lost may have ended after all: then it has two rows of its end.
wrong as (
  select event_id from audit.audit_events
  where event_id in (select * from twice)
  group by event_id
  having not (
    count(*) = 2
    and bool_and(source = 'attempt')
    and count(*) filter (where details ? 'lost') = 1
  )
  limit :most
)

select event_id, xid, seq

from audit.audit_events

where event_id in (select * from wrong)

order by event_id, xid, seq
