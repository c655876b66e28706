-- Reservations of a tenant that are looked up in Temporal: what nobody answers for comes first,
-- then what was looked up longest ago. The lock is its starter's, held from before the row was
-- there.
select
  one.reservation_id,
  one.workflow_id,
  one.run_id,
  case when not held.it_is then now() - coalesce(one.alone_since, now()) end as alone

from reviews.admission one

cross join lateral (
  select exists (
    select
    from pg_locks
    where locktype = 'advisory'
      and objsubid = 1
      and database = (select oid from pg_database where datname = current_database())
      and granted
      and ((classid::int8 << 32) | objid::int8)
        = hashtextextended('reviews-reservation:' || one.reservation_id, 0)
  ) as it_is
) as held

where one.tenant = :tenant

order by one.run_id is not null, one.checked_at nulls first, one.reserved_at
limit :limit
