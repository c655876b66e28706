-- Rows of open reviews that Temporal does not know. Their version stays: should the review come
-- back, its next save wins.
update reviews.review_runs set
  needs_attention = true,
  state = state || jsonb_build_object(
    'last_error', cast(:error as text),
    'error_count', greatest((state->>'error_count')::int, 1)
  )

where run_id = any(:ids)
  and closed_at is null
  and state->>'last_error' is distinct from :error
