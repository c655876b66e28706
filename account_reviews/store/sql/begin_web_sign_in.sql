with gone as (
  delete from reviews.web_sign_ins where tenant = :tenant and ends_at < now()
)

insert into reviews.web_sign_ins (
  id_hash, tenant, browser_hash, nonce, verifier, following, ends_at
)
values (
  :id_hash, :tenant, :browser_hash, :nonce, :verifier, :following,
  now() + cast(:length as interval)
)
