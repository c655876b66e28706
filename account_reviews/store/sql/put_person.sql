insert into reviews.people as known (
  tenant, person, name, source, roles, groups, seen_at, until_at
)
values (
  :tenant, :person, :name, :source, cast(:roles as text []), cast(:groups as text []), now(),
  now() + cast(:length as interval)
)
on conflict (tenant, person) do update set
  name = excluded.name,
  source = excluded.source,
  roles = excluded.roles,
  groups = excluded.groups,
  seen_at = now(),
  until_at = excluded.until_at
where known.source <> 'local'
returning *
