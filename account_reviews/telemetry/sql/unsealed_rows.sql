select
  count(*) as rows,
  coalesce(extract(epoch from now() - min(recorded_at)), 0) as oldest

-- Counting more would cost each look at the figures more than it says.
from (
  select recorded_at from audit.audit_events
  where (xid, seq) > (:xid, :seq)
  order by xid, seq
  limit 100000
) as young
