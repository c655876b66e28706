-- The requests of an account before one of them, the newest first.
select request.run_id, request.review_id, request.owner_id, request.request_id, request.body

from reviews.request_numbers as numbered
join reviews.approval_requests as request using (request_id)

where numbered.tenant = :tenant
  and numbered.account_id = :account
  and request.requested_at < :before

order by numbered.number desc
limit :limit
