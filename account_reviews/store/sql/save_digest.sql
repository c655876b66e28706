insert into reviews.digests as known (tenant, owner_id, day, body, made_at)

values (:tenant, :owner, :day, cast(:body as jsonb), :now)

on conflict (tenant, owner_id, day) do update set
  body = excluded.body,
  made_at = excluded.made_at

-- A digest that is the same keeps the time at which it was first made.
where known.body <> excluded.body
