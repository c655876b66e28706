-- A page of requests that wait. A value that is null does not narrow it.
with ordered as (
  select
    request.request_id,
    request.run_id,
    request.account_id,
    request.owner_id,
    request.deadline,
    request.requested_at,
    request.body,
    request.value,
    run.risk_level,
    run.risk_score,
    run.state,

    -- Ascending, what is not known last. By itself the soonest deadline comes first, and of
    -- one minute the highest risk, then the largest value.
    case cast(:order as text)
      when 'risk' then -coalesce(run.risk_score, -1)
      when 'value' then -coalesce(request.value, -1)
      when 'waiting' then extract(epoch from request.requested_at)
      else 0
    end as ahead,
    extract(epoch from date_trunc('minute', request.deadline)) as due,
    -coalesce(run.risk_score, -1) as safety,
    -coalesce(request.value, -1) as smallness

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
),

page as (
  select *
  from ordered
  where cast(:after_id as text) is null
    or (ahead, due, safety, smallness, request_id) > (
      cast(:after_ahead as numeric),
      cast(:after_due as numeric),
      cast(:after_safety as numeric),
      cast(:after_smallness as numeric),
      :after_id
    )
  order by ahead, due, safety, smallness, request_id
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
  page.value,
  page.body->'items' as items,
  page.ahead,
  page.due,
  page.safety,
  page.smallness

from page
left join reviews.request_numbers as number using (request_id)

order by page.ahead, page.due, page.safety, page.smallness, page.request_id
