-- Annual revenue as the reviews of a cycle have read it, null where the CRM does not say.
select
  account.account_id,
  snapshot.body#>>'{account,annual_revenue}' as revenue

from reviews.cycle_accounts as account
left join reviews.review_runs as review on review.run_id = account.review_run_id
join reviews.documents as snapshot
  on snapshot.hash = coalesce(review.state#>>'{snapshot,hash}', account.snapshot->>'hash')

where account.run_id = :run_id
  and account.account_id = any(:accounts)
