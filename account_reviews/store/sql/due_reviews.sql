-- Closed reviews that are due to be archived, with all that their archive holds. Locked until the
-- end of the transaction; what another purge works on is left to it.
with due as (
  select run_id, state, analysis_hash, owner_id, account_id, outcome, started_at, closed_at
  from reviews.review_runs
  where tenant = :tenant
    and closed_at < :before
    and account_id <> all(:held)
  order by closed_at
  limit :batch
  for update skip locked
)

select
  due.run_id,
  due.account_id,
  due.owner_id,
  due.outcome,
  due.started_at,
  due.closed_at,
  due.state,
  d.body as analysis,
  coalesce(made.outcomes, '[]') as outcomes,
  coalesce(notified.deliveries, '[]') as notifications

from due
left join reviews.documents d on d.hash = due.analysis_hash
left join lateral (
  select jsonb_agg(to_jsonb(o) order by o.at, o.change_id) as outcomes
  from reviews.proposal_outcomes o
  where o.run_id = due.run_id
) made on true
left join lateral (
  select jsonb_agg(to_jsonb(n) - 'key' - 'tenant' - 'held_until' order by n.begun_at, n.key)
    as deliveries
  from reviews.notification_deliveries n
  where n.run_id = due.run_id
) notified on true

order by due.closed_at
