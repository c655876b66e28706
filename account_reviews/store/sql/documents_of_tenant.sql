-- Documents that rows of the tenant name.
select d.hash, d.kind, d.body

from reviews.documents d

join (
  select analysis_hash as hash from reviews.review_runs where tenant = :tenant

  union

  select state #>> '{snapshot,hash}' from reviews.review_runs where tenant = :tenant

  union

  select state #>> '{memory,hash}' from reviews.review_runs where tenant = :tenant

  union

  select state #>> '{analysis,hash}' from reviews.review_runs where tenant = :tenant

  union

  select snapshot_hash from reviews.account_baselines where tenant = :tenant

  union

  select a.snapshot ->> 'hash'
  from reviews.cycle_accounts a
  join reviews.cycles c on c.run_id = a.run_id
  where c.tenant = :tenant
) as named on named.hash = d.hash
