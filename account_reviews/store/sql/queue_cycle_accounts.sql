insert into reviews.cycle_accounts (
  run_id, account_id, position, account_name, owner_id, risk_level, state
)

-- Nothing is read yet: the place goes by the risk of the last review, the worst first.
select
  :run_id,
  given.id,
  :unread + case b.risk_level
    when 'critical' then 0
    when 'high' then 1
    when 'low' then 3
    when 'none' then 4
    else 2
  end,
  given.name,
  given.owner,
  coalesce(b.risk_level, 'unknown'),
  'queued'

from unnest(cast(:ids as text[]), cast(:names as text[]), cast(:owners as text[]))
  as given(id, name, owner)
left join reviews.account_baselines b
  on b.tenant = :tenant and b.account_id = given.id

on conflict (run_id, account_id) do nothing
