-- What cycles of the tenant say of each account.
select
  a.run_id as k1,
  a.account_id as k2,
  jsonb_build_object(
    'account_name', a.account_name,
    'reason', a.reason,
    'snapshot', a.snapshot
  ) as body

from reviews.cycle_accounts a
join reviews.cycles c on c.run_id = a.run_id

where c.tenant = :tenant
