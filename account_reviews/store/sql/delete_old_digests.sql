with old as (
  select tenant, owner_id, day from reviews.digests
  where tenant = :tenant and day < cast(:before as timestamptz)::date
  limit :batch
)

delete from reviews.digests d
using old
where (d.tenant, d.owner_id, d.day) = (old.tenant, old.owner_id, old.day)
