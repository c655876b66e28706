-- The outcomes of a batch. An account that was
-- settled before, by a try that died after it, keeps the outcome it has.
with settled as (
  update reviews.memory_sync_accounts as account set
    state = given.state,
    message = given.message

  from unnest(
    cast(:account_ids as text[]), cast(:states as text[]), cast(:messages as text[])
  ) as given (account_id, state, message)
  where
    account.sync_id = :sync_id
    and account.account_id = given.account_id
    and account.state = 'pending'
  returning account.state
)

update reviews.memory_syncs as sync set
  done = sync.done + (select count(*) from settled where state = 'done'),
  skipped = sync.skipped + (select count(*) from settled where state = 'skipped'),
  failed = sync.failed + (select count(*) from settled where state = 'failed'),
  cursor = greatest(sync.cursor, :cursor)
where sync.sync_id = :sync_id
