select jsonb_build_object(
  'hash', d.hash,
  'account_name', d.body#>>'{account,name}',
  'owner_id', d.body#>>'{account,owner_id}',
  'owner_name', d.body#>>'{owner,name}',
  'fetched_at', d.body->>'fetched_at',
  'as_of', d.body->>'as_of'
)

from reviews.documents d

where d.hash = :hash
  and d.kind = 'snapshot'
  and d.body#>>'{account,id}' = :account_id

  -- A document has no tenant: it belongs to those whose cycles and reviews name it.
  and (
    exists (
      select
      from reviews.review_runs r
      where r.tenant = :tenant
        and r.account_id = :account_id
        and r.state#>>'{snapshot,hash}' = d.hash
    )
    or exists (
      select
      from reviews.account_baselines b
      where b.tenant = :tenant and b.account_id = :account_id and b.snapshot_hash = d.hash
    )
    or exists (
      select
      from reviews.cycles c
      join reviews.cycle_accounts a on a.run_id = c.run_id
      where c.tenant = :tenant
        and a.account_id = :account_id
        and a.snapshot->>'hash' = d.hash
    )
  )
