-- Halts, newest first; with a moment those that were in force then or later.
select id, tenant, by, reason, at, released_by, released_reason, released_at

from reviews.halts

where tenant = :tenant
  and (
    cast(:since as timestamptz) is null
    or released_at is null
    or released_at >= :since
  )

order by id desc
limit :limit
