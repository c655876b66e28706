-- While it is worked on an account is due at the end of its lease. The id of what is being done
-- stays until that is done: who does it again after a crash does the same, for the same events.
-- What came in since has a turn of its own.
with due as (
  select account_id, due_at
  from reviews.event_accounts
  where tenant = :tenant and due_at <= now()
  order by due_at
  limit :most
  for update skip locked
),

taken as (
  update reviews.event_accounts as account set
    due_at = now() + make_interval(secs => :lease),
    handling_id = coalesce(account.handling_id, gen_random_uuid()::text),
    handling_until = case
      when account.handling_id is not null then account.handling_until
      else coalesce(
        (
          select max(id)
          from reviews.webhook_events
          where tenant = :tenant and state = 'waiting' and account_id = due.account_id
        ),
        0
      )
    end,
    attempts = account.attempts + 1
  from due
  where account.tenant = :tenant and account.account_id = due.account_id
  returning
    account.account_id, account.handling_id, account.handling_until, account.attempts,
    account.watched_run_id, account.watched_snapshot, due.due_at
)

select
  taken.account_id, taken.handling_id, taken.attempts, taken.watched_run_id,
  taken.watched_snapshot, coalesce(waiting.ids, '{}') as events,
  coalesce(waiting.all_deleted, false) as all_deleted, coalesce(waiting.sources, '{}') as sources

from taken
left join lateral (
  select
    array_agg(id order by id) as ids,
    bool_and(action = 'deleted' and record_type = 'account') as all_deleted,
    array_agg(distinct source) as sources
  from reviews.webhook_events
  where tenant = :tenant and state = 'waiting' and account_id = taken.account_id
    and id <= taken.handling_until
) as waiting on true

order by taken.due_at
