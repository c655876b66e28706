select
  asked.account_id,
  jsonb_build_object(
    'owner_id', d.body#>'{account,owner_id}',
    'owner', d.body->'owner',
    'previous_owner', d.body->'previous_owner',
    'owner_changed_at', d.body->'owner_changed_at',
    'deals', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'id', deal->'id',
        'stage', deal->'stage',
        'stage_changed_at', deal->'stage_changed_at',
        'stage_history', deal->'stage_history'
      )), '[]'::jsonb)
      from jsonb_array_elements(d.body->'deals') deal
    )
  ) as seen

from unnest(cast(:ids as text[])) asked (account_id)

cross join lateral (
  select stored.hash
  from (
    (
      select r.state#>>'{snapshot,hash}' as hash, 0 as place
      from reviews.review_runs r
      where r.tenant = :tenant
        and r.account_id = asked.account_id
        and jsonb_typeof(r.state->'snapshot') = 'object'
      order by r.started_at desc
      limit 1
    )

    union all

    -- The baseline is there when the review itself is no longer kept.
    (
      select b.snapshot_hash, 1
      from reviews.account_baselines b
      where b.tenant = :tenant and b.account_id = asked.account_id
    )
  ) stored
  join reviews.documents kept on kept.hash = stored.hash
  order by stored.place
  limit 1
) newest

join reviews.documents d on d.hash = newest.hash
