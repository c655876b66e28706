-- Each account that was reviewed, by its newest review that found something.
with newest as (
  select distinct on (account_id) account_id, run_id
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
),

-- Each large document is opened once only.
shown as (
  select
    r.account_id, r.run_id, r.review_id, r.owner_id, r.risk_level, r.risk_score, r.health_score,
    r.status, r.outcome, r.updated_at, r.closed_at,
    d.account_name, d.owner_name, d.risk, d.health,
    r.state#>>'{snapshot,hash}' as snapshot_hash
  from newest n
  join reviews.review_runs r on r.run_id = n.run_id
  left join lateral (
    select found.*
    from reviews.documents a
    cross join lateral jsonb_to_record(a.body)
      as found (account_name text, owner_name text, risk jsonb, health jsonb)
    where a.hash = r.analysis_hash and a.kind = 'analysis'
  ) d on true
  where cast(:owner as text) is null or coalesce(nullif(r.owner_id, ''), 'unassigned') = :owner
)

select
  n.account_id, n.run_id, n.review_id, n.owner_id, n.risk_level, n.risk_score, n.health_score,
  n.status, n.outcome, n.updated_at, n.closed_at, n.account_name, n.owner_name,
  n.health->>'band' as health_band,
  s.account->>'annual_revenue' as value,
  s.account->>'renewal_date' as renewal_date,
  s.account->>'contract_end' as contract_end,
  s.account->>'url' as url,
  s.account->>'status' as crm_status,
  s.owner->>'manager_id' as manager_id,
  n.risk#>>'{previous,score}' as previous_score,
  n.risk#>>'{previous,level}' as previous_level,
  coalesce(a.pending, 0) as pending,
  coalesce(a.overdue, 0) as overdue,
  coalesce(a.unanswered, 0) as unanswered,
  a.due_at

from shown n
left join lateral (
  select found.*
  from reviews.documents b
  cross join lateral jsonb_to_record(b.body) as found (account jsonb, owner jsonb)
  where b.hash = n.snapshot_hash and b.kind = 'snapshot'
) s on true
left join asked a on a.account_id = n.account_id

order by n.account_id
