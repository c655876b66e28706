-- Decided items. What became of an approved one came later, and it counts as approved.
select
  count(*) as decided,
  count(*) filter (where item->>'state' not in ('rejected', 'deferred')) as approved,
  avg(
    extract(epoch from (item->>'decided_at')::timestamptz - request.requested_at)
  ) as seconds

from reviews.approval_requests request
cross join lateral jsonb_array_elements(request.body->'items') as item

where request.tenant = :tenant
  and item->>'decided_by' is not null
  and item->>'state' in (
    'approved', 'adjusted', 'executed', 'failed', 'skipped', 'undone', 'rejected', 'deferred'
  )
