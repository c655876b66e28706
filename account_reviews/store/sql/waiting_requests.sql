select
  coalesce(nullif(a.owner_id, ''), 'unassigned') as owner_id,
  count(*) as open,
  count(*) filter (where deadline < :now) as overdue,
  count(*) filter (where requested_at < :asked_before) as unanswered

from reviews.approval_requests a

where tenant = :tenant and state = 'pending'

group by 1
