-- A write in our own database takes its operation id, and is settled as others come to see it.
insert into reviews.crm_operations (
  operation_id, tenant, account_id, change_id, action,
  change, expected_version, after, settled_at, applied_at
)
values (
  :operation_id, :tenant, :account_id, :change_id, :action,
  cast(:change as jsonb), :expected_version, cast(:change as jsonb)->'after', now(), now()
)

-- An earlier try may have written nothing.
on conflict (operation_id) do update
set
  tried_at = now(),
  tries = crm_operations.tries + 1,
  lease_until = null,
  settled_at = now(),
  applied_at = now(),
  change = excluded.change,
  after = excluded.after
where crm_operations.result is null

returning applied_at
