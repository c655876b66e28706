-- A page of requests that wait, soonest deadline first. A value that is null does not narrow it.
with page as (
  select
    request.request_id,
    request.run_id,
    request.account_id,
    request.owner_id,
    request.deadline,
    request.requested_at,
    request.body,
    run.risk_level,
    run.risk_score,
    run.state

  from reviews.approval_requests as request
  join reviews.review_runs as run using (run_id)

  where request.tenant = :tenant
    and request.state = 'pending'
    and (
      cast(:names as text[]) is null
      or lower(run.waiting_on::text)::jsonb ?| cast(:names as text[])
    )
    and (cast(:owner as text) is null or coalesce(request.owner_id, '') = :owner)
    and (cast(:risk as text) is null or coalesce(run.risk_level, 'unknown') = :risk)
    and (
      cast(:action as text) is null
      or jsonb_path_exists(
        request.body,
        '$.items[*] ? (@.state == "proposed").change ? (@.action == $action)',
        jsonb_build_object('action', cast(:action as text))
      )
    )
    and (
      cast(:after_at as timestamptz) is null
      or (request.deadline, request.request_id) > (:after_at, cast(:after_id as text))
    )

  order by request.deadline, request.request_id
  limit :limit
)

select
  page.request_id,
  page.run_id,
  page.account_id,
  page.owner_id,
  page.deadline,
  page.requested_at,
  page.risk_level,
  page.risk_score,
  page.account_id || '-' || number.number as short_id,
  page.state#>>'{snapshot,account_name}' as account_name,
  page.state#>>'{snapshot,owner_name}' as owner_name,
  snapshot.body#>>'{account,annual_revenue}' as value,
  page.body->'items' as items

from page
left join reviews.request_numbers as number using (request_id)
left join reviews.documents as snapshot on snapshot.hash = page.state#>>'{snapshot,hash}'

order by page.deadline, page.request_id
