select
  r.review_id,
  r.account_id,
  coalesce(r.state#>>'{snapshot,account_name}', r.account_id) as account_name,
  d.created_at as analysed_at,
  cast(d.body as text) as analysis

from reviews.review_runs r
join reviews.documents d on d.hash = r.analysis_hash

-- The newest of each account that has an analysis.
where r.tenant = :tenant
  and r.owner_id = :owner
  and r.started_at <= :moment
  and not exists (
    select from reviews.review_runs n
    where n.tenant = r.tenant
      and n.account_id = r.account_id
      and n.analysis_hash is not null
      and n.started_at <= :moment
      and (n.started_at, n.run_id) > (r.started_at, r.run_id)
  )

order by r.account_id
