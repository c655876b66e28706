select owner_id from reviews.review_runs
where tenant = :tenant

union

select owner_id from reviews.approval_requests
where tenant = :tenant

union

select b.owner_id from reviews.cycle_briefs b
join reviews.cycles c on c.run_id = b.run_id
where c.tenant = :tenant
