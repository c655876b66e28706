-- What a person's place in the line depends on, of every pending request.
select
  request.request_id,
  request.deadline,
  run.risk_level,
  request.body->'approvers' as approvers

from reviews.approval_requests as request
left join reviews.review_runs as run using (run_id)

where request.tenant = :tenant
  and request.state = 'pending'
