-- Reports on many accounts that may name this one, and what it is called in them.
with named as (
  select array_agg(distinct name) as names
  from (
    select a.account_name as name
    from reviews.cycle_accounts a
    join reviews.cycles c on c.run_id = a.run_id
    where c.tenant = :tenant and a.account_id = :account_id

    union

    select state #>> '{snapshot,account_name}'
    from reviews.review_runs
    where tenant = :tenant and account_id = :account_id

    union

    select body #>> '{state,snapshot,account_name}'
    from reviews.archives
    where tenant = :tenant and account_id = :account_id
  ) as called
  where length(name) > 2 and name <> :account_id
),

cycles as (
  select c.run_id, c.portfolio
  from reviews.cycles c
  join reviews.cycle_accounts a on a.run_id = c.run_id and a.account_id = :account_id
  where c.tenant = :tenant
)

select
  'cycle_briefs' as place, b.run_id, b.owner_id, cast(null as date) as day, b.body, named.names
from reviews.cycle_briefs b
join cycles using (run_id)
cross join named

union all

select 'portfolios', run_id, null, null, portfolio, named.names
from cycles
cross join named
where portfolio is not null

union all

select 'digests', null, d.owner_id, d.day, d.body, named.names
from reviews.digests d
cross join named
where d.tenant = :tenant
  and jsonb_path_exists(
    d.body, '$.**.account_id ? (@ == $id)', jsonb_build_object('id', cast(:account_id as text))
  )
