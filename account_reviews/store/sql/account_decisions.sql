-- What was decided about one account, newest first: an item of a request each.
select
  q.request_id,
  q.run_id,
  q.review_id,
  n.number,
  i.item->>'state' as state,
  i.item->>'decided_by' as decided_by,
  cast(i.item->>'decided_at' as timestamptz) as decided_at,
  i.item->>'reason' as reason,
  cast(i.item->'change' as text) as change

from reviews.request_numbers n
join reviews.approval_requests q using (request_id)
cross join lateral jsonb_array_elements(q.body->'items') as i (item)

where n.tenant = :tenant
  and n.account_id = :account
  and i.item->>'decided_at' is not null

order by cast(i.item->>'decided_at' as timestamptz) desc, q.request_id

limit :limit
