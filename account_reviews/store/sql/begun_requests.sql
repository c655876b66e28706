-- Requests that wait: their short ids begin so, or their own ids where the short ones do not.
select id, name

from (
  select
    case
      when starts_with(number.short_id, :begins) then number.short_id
      else request.request_id
    end as id,
    run.state#>>'{snapshot,account_name}' as name,
    request.deadline

  from reviews.approval_requests as request
  join reviews.review_runs as run on run.run_id = request.run_id
  left join lateral (
    select numbered.account_id || '-' || numbered.number as short_id
    from reviews.request_numbers as numbered
    where numbered.request_id = request.request_id
  ) as number on true

  where request.tenant = :tenant
    and request.state = 'pending'
    and (starts_with(number.short_id, :begins) or starts_with(request.request_id, :begins))

  order by request.deadline
  limit :most
) as waiting
