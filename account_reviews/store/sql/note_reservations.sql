-- That they are being looked up, and whose starter was found gone. Whoever else notes one is not
-- waited for.
update reviews.admission known set
  checked_at = now(),
  alone_since = case
    when known.reservation_id = any(:alone) then coalesce(known.alone_since, now())
  end
where known.reservation_id in (
  select reservation_id
  from reviews.admission
  where reservation_id = any(:ids)
  for update skip locked
)
