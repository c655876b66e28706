-- Those that are as they were seen, locked in one order by whoever settles.
with settled as (
  select known.reservation_id
  from reviews.admission known
  join unnest(cast(:ids as text[]), cast(:runs as text[])) as seen (reservation_id, run_id)
    on seen.reservation_id = known.reservation_id
  where known.run_id is not distinct from seen.run_id
  order by known.reservation_id
  for update of known
)

delete from reviews.admission
where reservation_id in (select reservation_id from settled)
