-- Documents that the rows of an account name.
with known as (
  select state, analysis_hash
  from reviews.review_runs
  where tenant = :tenant and account_id = :account_id
)

select hash

from (
  select analysis_hash as hash from known

  union

  select state #>> '{snapshot,hash}' from known

  union

  select state #>> '{memory,hash}' from known

  union

  select state #>> '{analysis,hash}' from known

  union

  select snapshot_hash
  from reviews.account_baselines
  where tenant = :tenant and account_id = :account_id

  union

  select a.snapshot ->> 'hash'
  from reviews.cycle_accounts a
  join reviews.cycles c on c.run_id = a.run_id
  where c.tenant = :tenant and a.account_id = :account_id
) as named

where hash is not null
