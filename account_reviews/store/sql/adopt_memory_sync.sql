-- The accounts of the sync that is continued; those that failed have another turn.
insert into reviews.memory_sync_accounts (sync_id, tenant, account_id, state, message)
select
  :sync_id, tenant, account_id,
  case when state = 'failed' then 'pending' else state end,
  null
from reviews.memory_sync_accounts
where sync_id = :continues
on conflict do nothing
