select b.risk_score, b.risk_level, d.body, past.outcomes, ours.writes

-- One row always: an account without a baseline may have outcomes, and the other way round.
from (select 1) as once
left join (reviews.account_baselines b join reviews.documents d on d.hash = b.snapshot_hash)
  on b.tenant = :tenant and b.account_id = :account_id
left join lateral (
  select jsonb_agg(to_jsonb(o) order by o.at desc, o.change_id) as outcomes
  from (
    select
      change_id, rule, recommendation_type, state, by, at, clock_at, reason, risk_level,
      evidence_hash, on_timeout
    from reviews.proposal_outcomes
    where tenant = :tenant and account_id = :account_id
    order by at desc, change_id
    limit :limit
  ) o
) past on true

-- What we wrote since, and all tasks that we made: they may stand open for long.
left join lateral (
  select
    jsonb_agg(
      jsonb_build_object(
        'change_id', change_id, 'action', action, 'record', result->'record', 'after', after,
        'at', applied_at
      )
      order by applied_at
    ) as writes
  from (
    select change_id, action, result, after, applied_at
    from reviews.crm_operations
    where tenant = :tenant
      and account_id = :account_id
      and result->'record'->>'id' is not null
      and applied_at is not null
      and erased_at is null
      and (
        action = 'create_task'
        or applied_at >= cast(d.body->>'fetched_at' as timestamptz)
        or split_part(operation_id, ':', 1) = b.run_id
      )
    order by applied_at desc
    limit :limit
  ) o
) ours on true
