with old as (
  select tenant, owner_id, day from reviews.digests
  where tenant = :tenant
    and day < cast(:before as timestamptz)::date
    and not exists (
      select from unnest(cast(:held as text[])) as account_id
      where jsonb_path_exists(
        body, '$.**.account_id ? (@ == $held)', jsonb_build_object('held', account_id)
      )
    )
  limit :batch
)

delete from reviews.digests d
using old
where (d.tenant, d.owner_id, d.day) = (old.tenant, old.owner_id, old.day)
