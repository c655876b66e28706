select name

from (
  select state#>>'{snapshot,owner_name}' as name, started_at as at
  from reviews.review_runs
  where tenant = :tenant and owner_id = :owner

  union all

  select b.body->>'owner_name', b.made_at
  from reviews.cycle_briefs b
  join reviews.cycles c on c.run_id = b.run_id
  where c.tenant = :tenant and b.owner_id = :owner
) found

where name is not null

order by at desc
limit 1
