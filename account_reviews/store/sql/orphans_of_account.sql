-- What reviews of the account read and replaced by later readings. A document has no tenant: while
-- another tenant has an account of this id, what is young may be that of a step under way.
select hash

from reviews.documents

where (
    kind = 'snapshot' and body #>> '{account,id}' = :account_id
    or kind = 'analysis' and body ->> 'account_id' = :account_id
  )
  and (
    created_at < now() - interval '10 minutes'
    or not exists (
      select from reviews.review_runs
      where account_id = :account_id and tenant <> :tenant and closed_at is null
    )
  )
