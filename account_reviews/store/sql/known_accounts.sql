select distinct on (account_id) account_id, account_name, owner_id

from (
  select
    r.account_id,
    r.state#>>'{snapshot,account_name}' as account_name,
    r.state#>>'{snapshot,owner_id}' as owner_id,
    r.started_at as seen_at
  from reviews.review_runs r
  where r.tenant = :tenant
    and r.account_id = any(cast(:ids as text[]))
    and jsonb_typeof(r.state->'snapshot') = 'object'

  union all

  -- The baseline is there when the review itself is no longer kept.
  select
    b.account_id,
    d.body#>>'{account,name}',
    d.body#>>'{account,owner_id}',
    b.taken_at
  from reviews.account_baselines b
  join reviews.documents d on d.hash = b.snapshot_hash
  where b.tenant = :tenant and b.account_id = any(cast(:ids as text[]))
) seen

order by account_id, seen_at desc
