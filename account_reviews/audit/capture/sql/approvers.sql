select
  r.run_id,
  r.tenant,
  r.review_id,
  item->>'item_id' as change_id,
  item->>'decided_by' as decided_by

-- A review without a request gives its tenant all the same.
from reviews.review_runs r
left join lateral jsonb_array_elements(r.state->'requests') request on true
left join lateral jsonb_array_elements(request->'items') item on true

where r.run_id = any(:runs)
