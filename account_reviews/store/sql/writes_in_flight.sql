-- Who holds the lock that each writer shares. PostgreSQL shows its 64 bits as two halves.
select count(*)

from pg_locks

where locktype = 'advisory'
  and objsubid = 1
  and database = (select oid from pg_database where datname = current_database())
  and mode = 'ShareLock'
  and granted
  and ((classid::int8 << 32) | objid::int8) = hashtextextended(:name, 0)
