with gone as (
  delete from reviews.web_used where tenant = :tenant and ends_at < now() - interval '1 day'
)

insert into reviews.web_used (tenant, kind, key, ends_at)
values (:tenant, :kind, :key, cast(:ends_at as timestamptz))
on conflict (tenant, kind, key) do nothing
returning true
