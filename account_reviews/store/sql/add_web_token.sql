insert into reviews.web_tokens (
  id, tenant, person, name, roles, scopes, secret_hash, created_by, ends_at
)
values (
  :id, :tenant, :person, :name, cast(:roles as text []), cast(:scopes as text []), :secret_hash,
  :created_by, cast(:ends_at as timestamptz)
)
