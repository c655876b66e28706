-- Rows of a stretch whose time of recording does not fit the seal over them.
select e.event_id, e.xid, e.seq, s.number

from unnest(
  $1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
  $6::timestamptz[], $7::timestamptz[]
) as s (number, after_xid, after_seq, until_xid, until_seq, earliest, latest)
join audit.audit_events e
  on (e.xid, e.seq) > (s.after_xid, s.after_seq)
  and (e.xid, e.seq) <= (s.until_xid, s.until_seq)
  and (e.recorded_at > s.latest or e.recorded_at < s.earliest)

order by e.xid, e.seq
limit 1000
