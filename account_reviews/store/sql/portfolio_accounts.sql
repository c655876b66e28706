-- Each account that was reviewed, by its newest review that found something.
with newest as (
  select distinct on (account_id)
    account_id, run_id, review_id, owner_id, risk_level, risk_score, health_score, analysis_hash,
    status, outcome, started_at, updated_at, closed_at,
    state#>>'{snapshot,account_name}' as account_name,
    state#>>'{snapshot,owner_name}' as owner_name,
    state#>>'{snapshot,hash}' as snapshot_hash,
    state#>>'{analysis,health_band}' as health_band
  from reviews.review_runs
  where tenant = :tenant
    and analysis_hash is not null
    and kind <> 'undo'
    and (cast(:account as text) is null or account_id = :account)
  order by account_id, started_at desc, run_id desc
),

-- What waits for somebody.
asked as (
  select
    account_id,
    count(*) as pending,
    count(*) filter (where deadline < :now) as overdue,
    count(*) filter (where requested_at < :reminded) as unanswered,
    min(deadline) as due_at
  from reviews.approval_requests
  where tenant = :tenant and state = 'pending'
  group by account_id
)

select
  n.*,
  s.body#>>'{account,annual_revenue}' as value,
  s.body#>>'{account,renewal_date}' as renewal_date,
  s.body#>>'{account,contract_end}' as contract_end,
  s.body#>>'{account,url}' as url,
  s.body#>>'{account,status}' as crm_status,
  s.body#>>'{owner,manager_id}' as manager_id,
  d.body#>>'{risk,previous,score}' as previous_score,
  d.body#>>'{risk,previous,level}' as previous_level,
  coalesce(a.pending, 0) as pending,
  coalesce(a.overdue, 0) as overdue,
  coalesce(a.unanswered, 0) as unanswered,
  a.due_at

from newest n
left join reviews.documents s on s.hash = n.snapshot_hash
left join reviews.documents d on d.hash = n.analysis_hash
left join asked a on a.account_id = n.account_id

where cast(:owner as text) is null or coalesce(nullif(n.owner_id, ''), 'unassigned') = :owner

order by n.account_id
