-- The requests that are named by their whole ids, or by account and number as `acme-3`.
select
  run_id, review_id, owner_id, request_id, body, short_id, account_name,
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
  and (
    request_id = any(:names)
    or request_id in (
      select numbered.request_id
      from unnest(cast(:names as text[])) as name
      join reviews.request_numbers as numbered
        on numbered.tenant = :tenant
        and numbered.account_id = substring(name from '^(.*)-[1-9][0-9]{0,8}$')
        and numbered.number = cast(substring(name from '-([1-9][0-9]{0,8})$') as integer)
    )
  )
