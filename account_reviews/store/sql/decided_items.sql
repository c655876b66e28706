-- Whatever was decided, in reviews whose requests are still there.
select
  coalesce(nullif(a.owner_id, ''), 'unassigned') as owner_id,
  item->>'state' as state,
  jsonb_typeof(item->'original') = 'object' as adjusted,
  coalesce(item->>'decided_by', 'policy') <> 'policy' as by_person,
  count(*) as count

from reviews.approval_requests a
cross join lateral jsonb_array_elements(
  case when jsonb_typeof(a.body->'items') = 'array' then a.body->'items' end
) item

where tenant = :tenant
  -- One request that cannot be read takes no other with it.
  and item->>'state' is not null
  and case when pg_input_is_valid(item->>'decided_at', 'timestamptz')
    then cast(item->>'decided_at' as timestamptz) between :since and :now
  end

group by 1, 2, 3, 4

union all

-- And in reviews of the cycle's accounts that are no longer kept: their outcomes stay.
select
  coalesce(nullif(a.owner_id, ''), 'unassigned'),
  o.state,
  o.state = 'adjusted',
  coalesce(o.by, 'policy') <> 'policy',
  count(*)

from reviews.proposal_outcomes o
join reviews.cycle_accounts a
  on a.run_id = :run_id and a.account_id = o.account_id

where o.tenant = :tenant
  and o.at between :since and :now
  and not exists (select from reviews.approval_requests q where q.run_id = o.run_id)

group by 1, 2, 3, 4
