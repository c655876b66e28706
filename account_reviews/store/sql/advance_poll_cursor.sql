-- It never goes back, whoever came later.
insert into reviews.poll_cursors as known (tenant, name, until_at, found)
values (:tenant, :name, :until, :found)
on conflict (tenant, name) do update set
  polled_at = now(),
  found = excluded.found,
  until_at = greatest(known.until_at, excluded.until_at)
