select snapshot

from (
  (
    select state->'snapshot' as snapshot, 0 as place
    from reviews.review_runs
    where tenant = :tenant
      and account_id = :account_id
      and jsonb_typeof(state->'snapshot') = 'object'
    order by started_at desc
    limit 1
  )

  union all

  -- The baseline is there when the review itself is no longer kept.
  (
    select
      jsonb_build_object(
        'hash', d.hash,
        'account_name', d.body#>>'{account,name}',
        'owner_id', d.body#>>'{account,owner_id}',
        'owner_name', d.body#>>'{owner,name}',
        'fetched_at', d.body->>'fetched_at'
      ),
      1
    from reviews.account_baselines b
    join reviews.documents d on d.hash = b.snapshot_hash
    where b.tenant = :tenant and b.account_id = :account_id
  )
) found

order by place
limit 1
