select b.risk_score, b.risk_level, d.body, past.outcomes

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
