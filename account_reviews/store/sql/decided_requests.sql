-- The newest requests of an account that somebody decided on, but for one.
select
  request.request_id,
  request.run_id,
  request.state,
  number.account_id || '-' || number.number as short_id,
  request.body->'items' as items,
  request.body->'decisions' as decisions

from reviews.approval_requests as request
left join reviews.request_numbers as number using (request_id)

where request.tenant = :tenant
  and request.account_id = :account
  and request.request_id <> :request_id
  and jsonb_array_length(request.body->'decisions') > 0

order by request.requested_at desc
limit :limit
