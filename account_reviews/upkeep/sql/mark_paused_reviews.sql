-- Lists say of an open review that it is paused in Temporal, or again what it saved last.
update reviews.review_runs set
  status = case when review_id = any(:paused) then 'paused' else state->>'status' end

where tenant = :tenant
  and closed_at is null
  and (
    (review_id = any(:paused) and status <> 'paused')
    or (status = 'paused' and not review_id = any(:paused) and state->>'status' <> 'paused')
  )
