-- What came in while the account was looked at makes it due again after the quiet time.
update reviews.event_accounts as account set
  handled_at = now(),
  handling_id = null,
  handling_until = null,
  attempts = 0,
  watched_run_id = :watched_run_id,
  watched_snapshot = :watched_snapshot,
  due_at = case
    when cast(:watched_run_id as text) is not null or exists (
      select from reviews.webhook_events
      where tenant = :tenant and state = 'waiting' and account_id = :account_id
    )
    then now() + make_interval(secs => :quiet)
  end

where tenant = :tenant and account_id = :account_id
