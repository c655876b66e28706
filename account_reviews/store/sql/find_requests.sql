-- The requests that are named by their whole ids.
select run_id, review_id, owner_id, request_id, body

from reviews.approval_requests

where tenant = :tenant
  and request_id = any(:names)
