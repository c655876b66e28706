-- A review as its row has it; one whose rows are gone as it was archived.
select state
from reviews.review_runs
where run_id = :run_id and tenant = :tenant

union all

select body->'state'
from reviews.archives
where run_id = :run_id
  and tenant = :tenant
  and not exists (select from reviews.review_runs where run_id = :run_id and tenant = :tenant)
