-- A page of accounts by id. A value that is null does not narrow it.
select
  id, name, owner_id, status, account_type, industry, segment, website, phone, billing_city,
  billing_country, annual_revenue, employees, contract_end, renewal_date, created_at, modified_at,
  last_activity_at, custom, version

from crm.accounts as account

where (cast(:cursor as text) is null or id > :cursor)
  and (cast(:ids as text[]) is null or id = any(:ids))
  and (
    cast(:owner as text) is null
    or owner_id = :owner
    or owner_id in (select owner.id from crm.owners as owner where owner.name = :owner)
  )
  and (cast(:segment as text) is null or segment = :segment)

  -- An account without a status is always taken: unknown is not fine.
  and (cast(:statuses as text[]) is null or status is null or status = any(:statuses))

  -- The account or a record of it changed, or nobody knows when it did.
  and (
    cast(:since as timestamptz) is null
    or modified_at >= :since
    or last_activity_at >= :since
    or (modified_at is null and last_activity_at is null)
    or exists (
      select from crm.activities as one
      where one.account_id = account.id and one.at >= :since
    )
    or exists (
      select from crm.contacts as one
      where one.account_id = account.id and one.created_at >= :since
    )
    or exists (
      select from crm.deals as one
      where one.account_id = account.id
        and (
          one.modified_at >= :since
          or one.created_at >= :since
          or one.stage_changed_at >= :since
        )
    )
    or exists (
      select from crm.notes as one
      where one.account_id = account.id and one.created_at >= :since
    )
    or exists (
      select from crm.tasks as one
      where one.account_id = account.id and one.created_at >= :since
    )
  )

order by id
limit :limit
