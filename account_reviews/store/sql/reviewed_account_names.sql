-- Each account that a review of ours is of, or was of, with the name of the newest that knows it.
with recursive accounts as (
  (
    select account_id
    from reviews.review_runs
    where tenant = :tenant
    order by account_id
    limit 1
  )

  union all

  -- One step along the index for each account, however many reviews it has.
  select (
    select next.account_id
    from reviews.review_runs as next
    where next.tenant = :tenant and next.account_id > accounts.account_id
    order by next.account_id
    limit 1
  )
  from accounts
  where accounts.account_id is not null
)

select
  account_id as id,
  (
    select run.state#>>'{snapshot,account_name}'
    from reviews.review_runs as run
    where run.tenant = :tenant
      and run.account_id = accounts.account_id
      and jsonb_typeof(run.state->'snapshot') = 'object'
    order by run.started_at desc
    limit 1
  ) as name

from accounts
where account_id is not null

union all

-- The baseline is there when no review of the account is kept.
select b.account_id, d.body#>>'{account,name}'

from reviews.account_baselines as b
left join reviews.documents as d on d.hash = b.snapshot_hash

where b.tenant = :tenant
  and not exists (
    select from reviews.review_runs as run
    where run.tenant = :tenant and run.account_id = b.account_id
  )
