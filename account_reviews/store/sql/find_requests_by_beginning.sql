-- The requests whose ids begin like one of the names; two of a name say that it is ambiguous.
select
  name, run_id, review_id, owner_id, request_id, body, short_id, account_name,
  owner_name

from unnest(cast(:names as text[])) as name
cross join lateral (
  select run_id, review_id, owner_id, request_id, body
  from reviews.approval_requests
  where tenant = :tenant
    and starts_with(request_id, name)
  order by request_id
  limit 2
) as request
left join lateral (
  select numbered.account_id || '-' || numbered.number as short_id
  from reviews.request_numbers as numbered
  where numbered.request_id = request.request_id
) as number on true
left join lateral (
  select
    run.state#>>'{snapshot,account_name}' as account_name,
    run.state#>>'{snapshot,owner_name}' as owner_name
  from reviews.review_runs as run
  where run.run_id = request.run_id
) as named on true
