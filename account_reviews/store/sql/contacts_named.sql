-- People in the stored snapshots of the tenant that may be meant.
with mine as (
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
)

select distinct
  p.person ->> 'id' as id,
  p.person ->> 'name' as name,
  p.person ->> 'email' as email,
  p.person ->> 'phone' as phone,
  coalesce(p.person ->> 'account_id', mine.body #>> '{account,id}') as account_id

from mine
cross join lateral (
  select jsonb_path_query(mine.body, '$.contacts[*]') as person

  union all

  select mine.body -> 'owner'

  union all

  select mine.body -> 'previous_owner'

  union all

  select mine.body -> 'manager'
) as p

where mine.kind = 'snapshot'
  and jsonb_typeof(p.person) = 'object'
  and (p.person ->> 'id' = :wanted or p.person::text ~* :pattern)

order by id, name, email, phone, account_id
