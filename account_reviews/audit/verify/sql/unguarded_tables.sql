select c.relname

from pg_class c

-- The tables of the trail and every month of it, without the trigger that refuses changes.
where (
    c.oid in (
      'audit.audit_events'::regclass,
      'audit.seals'::regclass,
      'audit.archives'::regclass,
      'audit.archived_rows'::regclass
    )
    or c.oid in (
      select inhrelid from pg_inherits
      where inhparent = 'audit.audit_events'::regclass
    )
  )
  and not exists (
    select from pg_trigger t
    where t.tgrelid = c.oid
      and t.tgname = 'no_change_at_all'
      and t.tgenabled in ('O', 'A')
  )

order by 1
