update reviews.memory_syncs as sync set
  total = counted.total,
  done = counted.done,
  skipped = counted.skipped,
  type = before.type,
  changed_since = before.changed_since
from
  reviews.memory_syncs as before,
  (
    select
      count(*) as total,
      count(*) filter (where state = 'done') as done,
      count(*) filter (where state = 'skipped') as skipped
    from reviews.memory_sync_accounts
    where sync_id = :sync_id
  ) as counted
where sync.sync_id = :sync_id and before.sync_id = :continues
