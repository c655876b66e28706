-- A page of reviews, newest first. A value that is null does not narrow it.
select
  run_id, review_id, account_id, owner_id, name, kind, phase, status, outcome, risk_level,
  waiting_on, due_at, needs_attention, started_at, updated_at

from reviews.review_runs

where tenant = :tenant
  and (cast(:owner as text) is null or owner_id = :owner)
  and (cast(:account as text) is null or account_id = :account)
  and (cast(:phase as text) is null or phase = :phase)
  and (cast(:status as text) is null or status = :status)
  and (cast(:kind as text) is null or kind = :kind)
  and (cast(:outcome as text) is null or outcome = :outcome)
  and (cast(:risk_level as text) is null or risk_level = :risk_level)
  and (cast(:name as text) is null or name = :name)
  and (cast(:needs_attention as boolean) is null or needs_attention = :needs_attention)
  and (not cast(:open_only as boolean) or closed_at is null)
  and (
    cast(:after_at as timestamptz) is null
    or (started_at, run_id) < (:after_at, cast(:after_id as text))
  )

order by started_at desc, run_id desc
limit :limit
