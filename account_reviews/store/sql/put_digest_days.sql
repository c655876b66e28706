insert into reviews.digest_days (tenant, owner_id, days, set_by)
values (:tenant, :owner, :days, :by)
on conflict (tenant, owner_id)
do update set days = excluded.days, set_by = excluded.set_by, set_at = now()
