-- Owners whose ids begin so, of the same places.
select id, max(name) as name

from (
  select o.id, o.name
  from crm.owners o
  where starts_with(o.id, :begins)
    and not exists (select from crm.belongs_to where tenant <> :tenant)

  union all

  select r.owner_id, null
  from reviews.review_runs r
  where r.tenant = :tenant and starts_with(r.owner_id, :begins)
) as known

group by id
order by id
limit :most
