-- Accounts whose ids begin so: of the CRM in our database, and those that were reviewed.
select id, max(name) as name

from (
  select a.id, a.name
  from crm.accounts a
  where starts_with(a.id, :begins)
    and not exists (select from crm.belongs_to where tenant <> :tenant)

  union all

  select r.account_id, null
  from reviews.review_runs r
  where r.tenant = :tenant and starts_with(r.account_id, :begins)
) as known

group by id
order by id
limit :most
