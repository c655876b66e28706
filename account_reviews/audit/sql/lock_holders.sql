-- Who holds an advisory lock, and whether the login may make seals.
select
  a.usename as login,
  l.pid,
  has_table_privilege(a.usesysid, 'audit.seals', 'insert') as proven

from pg_locks l
join pg_stat_activity a using (pid)

where l.locktype = 'advisory'
  and l.granted
  and l.objsubid = 1
  and l.database = (select oid from pg_database where datname = current_database())
  and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended(:key, 0)
