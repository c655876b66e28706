update reviews.cycle_accounts set
  position = :position,
  account_name = :account_name,
  owner_id = :owner_id,
  risk_level = :risk_level,
  risk_score = :risk_score,
  snapshot = cast(:snapshot as jsonb),
  state = :state,
  reason = :reason

where run_id = :run_id and account_id = :account_id
