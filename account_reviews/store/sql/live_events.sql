-- What was committed after one snapshot, and is seen by this statement or by a later snapshot that
-- is named, beyond a position. One row without an event where there is nothing.
select
  told.now_seen,
  told.now_ms,
  event.*
from (
  select
    pg_current_snapshot()::text as now_seen,
    floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now_ms
) as told
left join lateral (
  select
    e.seq, e.xid::text::bigint as xid, e.at, e.kind, e.run_id, e.account_id, e.review_id,
    e.request_id, e.cycle_id, e.state, e.phase, e.version,
    numbered.account_id || '-' || numbered.number as short_id
  from reviews.live_events e
  left join reviews.request_numbers numbered on numbered.request_id = e.request_id
  where e.tenant = :tenant
    and e.xid >= pg_snapshot_xmin(:since::text::pg_snapshot)
    and not pg_visible_in_snapshot(e.xid, :since::text::pg_snapshot)
    -- What a dump brought from another server may have numbers that are still to come here.
    and e.xid < pg_snapshot_xmax(pg_current_snapshot())
    and (
      :until::text is null
      or (
        pg_visible_in_snapshot(e.xid, :until::text::pg_snapshot)
        and (e.xid, e.seq) > (:xid::text::xid8, :seq::bigint)
      )
    )
  order by e.xid, e.seq
  limit :most
) as event on true
