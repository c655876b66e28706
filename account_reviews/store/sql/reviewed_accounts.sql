select
  a.account_id,
  a.account_name,
  coalesce(nullif(a.owner_id, ''), 'unassigned') as owner_id,
  a.state,
  a.joined,
  a.reason,
  a.risk_level,
  a.risk_score,
  a.review_run_id,
  r.review_id,
  r.status,
  r.outcome,
  r.due_at,
  r.state->>'reason' as review_reason,
  r.state->'missing_sources' as missing_sources,
  cast(d.body as text) as analysis,
  -- The money and the owner: the rest of a snapshot would be most of the work.
  case when s.hash is not null then cast(jsonb_build_object(
    'account', s.body->'account',
    'owner', s.body->'owner',
    'deals', s.body->'deals',
    'modules', s.body->'modules',
    'totals', s.body->'totals',
    'fetched_at', s.body->'fetched_at',
    'as_of', s.body->'as_of'
  ) as text) end as snapshot

from reviews.cycle_accounts a
left join reviews.review_runs r on r.run_id = a.review_run_id
left join reviews.documents d on d.hash = r.analysis_hash
left join reviews.documents s
  on s.hash = coalesce(r.state#>>'{snapshot,hash}', a.snapshot->>'hash')

where a.run_id = :run_id
  and coalesce(nullif(a.owner_id, ''), 'unassigned') = :owner
  and a.account_id > :after

order by a.account_id
limit :limit
