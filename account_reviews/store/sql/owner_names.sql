-- As they were called in the newest brief that knew their name.
select distinct on (b.owner_id) b.owner_id, b.body->>'owner_name' as name

from reviews.cycle_briefs b
join reviews.cycles c on c.run_id = b.run_id

where c.tenant = :tenant
  and b.owner_id = any(:owners)
  and b.body->>'owner_name' is not null

order by b.owner_id, b.made_at desc
