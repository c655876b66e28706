-- How many requests wait, by owner and risk, and how many of them for these names.
select
  coalesce(request.owner_id, '') as owner_id,
  coalesce(run.risk_level, 'unknown') as risk_level,
  count(*) as waiting,
  count(*) filter (where request.deadline < :now) as overdue,
  count(*) filter (where lower(run.waiting_on::text)::jsonb ?| cast(:mine as text[])) as mine,
  count(*) filter (where lower(run.waiting_on::text)::jsonb ?| cast(:groups as text[])) as groups

from reviews.approval_requests as request
join reviews.review_runs as run using (run_id)

where request.tenant = :tenant
  and request.state = 'pending'

group by 1, 2
