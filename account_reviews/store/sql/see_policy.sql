with before as (
  select hash from reviews.policy_in_force
  where tenant = :tenant
  for update
)

insert into reviews.policy_in_force as known (tenant, hash, since)

-- Counting makes the statement wait for the lock before it looks at the clock.
select :tenant, :hash, clock_timestamp()
from (select count(*) from before) as first

on conflict (tenant) do update set
  hash = excluded.hash,
  since = excluded.since
where known.hash <> excluded.hash

returning since, (select hash from before) as before
