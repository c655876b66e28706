-- A page of approval requests, soonest deadline first. A value that is null does not narrow it.
select
  run_id, review_id, owner_id, request_id, deadline, body, short_id, account_name,
  owner_name

from reviews.approval_requests
left join lateral (
  select numbered.account_id || '-' || numbered.number as short_id
  from reviews.request_numbers as numbered
  where numbered.request_id = approval_requests.request_id
) as number on true
left join lateral (
  select
    run.state#>>'{snapshot,account_name}' as account_name,
    run.state#>>'{snapshot,owner_name}' as owner_name
  from reviews.review_runs as run
  where run.run_id = approval_requests.run_id
) as named on true

where tenant = :tenant
  and (cast(:state as text) is null or state = :state)
  and (cast(:owner as text) is null or owner_id = :owner)
  and (cast(:account as text) is null or account_id = :account)
  and (
    cast(:after_at as timestamptz) is null
    or (deadline, request_id) > (:after_at, cast(:after_id as text))
  )

order by deadline, request_id
limit :limit
