-- The newest first. A value that is null does not narrow the list.
select
  id, source, record_type, record_id, action, account_id, state, outcome, attempts, error,
  received_at, case when state = 'new' then next_at end as next_at, ended_at

from reviews.webhook_events

where tenant = :tenant
  and (cast(:states as text[]) is null or state = any(:states))
  and (cast(:account as text) is null or account_id = :account)
  and (cast(:before as bigint) is null or id < :before)

order by id desc
limit :limit
