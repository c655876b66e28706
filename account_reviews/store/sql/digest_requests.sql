select
  q.account_id,
  coalesce(r.state#>>'{snapshot,account_name}', q.account_id) as account_name,
  q.body

from reviews.approval_requests q
left join reviews.review_runs r on r.run_id = q.run_id

-- Those that were open at the moment, of the owner's accounts or for the owner to decide.
where q.tenant = :tenant
  and (q.owner_id = :owner or q.body->'approvers' ? :owner)
  and q.requested_at <= :moment
  and (q.state = 'pending' or case
    when pg_input_is_valid(q.body->>'closed_at', 'timestamptz')
    then cast(q.body->>'closed_at' as timestamptz) > :moment
  end)

order by q.deadline, q.request_id
