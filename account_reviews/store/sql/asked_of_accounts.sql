-- Requests that wait, of these accounts, or those of these ids whatever became of them.
select
  request.request_id,
  request.account_id,
  request.deadline,
  numbered.account_id || '-' || numbered.number as short_id,
  cast(request.body->'approvers' as text) as approvers,
  (
    select count(*)
    from jsonb_array_elements(request.body->'items') as item
    where item->>'state' = 'proposed'
  ) as open_items

from reviews.approval_requests as request
left join reviews.request_numbers as numbered using (request_id)

where request.tenant = :tenant
  and (
    (request.state = 'pending' and request.account_id = any(:accounts))
    or request.request_id = any(:requests)
  )

order by request.deadline, request.request_id
