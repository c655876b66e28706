select
  count(*) as pending,
  count(*) filter (where deadline < now()) as overdue,
  coalesce(extract(epoch from now() - min(requested_at)), 0) as oldest

from reviews.approval_requests

where state = 'pending'
