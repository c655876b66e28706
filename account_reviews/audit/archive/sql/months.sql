-- The name of a partition ends with its month, which is one of UTC.
select
  p.relname as name,
  to_date(right(p.relname, 7), 'YYYY_MM')::timestamp at time zone 'UTC' as from_at,
  (to_date(right(p.relname, 7), 'YYYY_MM') + interval '1 month') at time zone 'UTC' as to_at

from pg_inherits i
join pg_class p on p.oid = i.inhrelid

where i.inhparent = 'audit.audit_events'::regclass
  and p.relname ~ '^audit_events_[0-9]{4}_[0-9]{2}$'

order by 1
