-- Who signed in by other means before becomes a local user, and is signed out nowhere.
insert into reviews.people as known (
  tenant, person, name, source, roles, groups, password_hash
)
values (
  :tenant, :person, :name, 'local', cast(:roles as text []), cast(:groups as text []),
  :password_hash
)
on conflict (tenant, person) do update set
  name = excluded.name,
  source = excluded.source,
  roles = excluded.roles,
  groups = excluded.groups,
  password_hash = excluded.password_hash,
  until_at = null
where known.source <> 'local'
