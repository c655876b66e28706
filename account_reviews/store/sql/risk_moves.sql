with lines as (
  select
    b.run_id,
    b.owner_id,
    a->>'account_id' as id,
    a->>'account_name' as name,
    a->>'risk_level' as level,
    (a->>'risk_score')::int as score,
    a->'previous_risk' as previous,
    (a->>'first_review')::boolean as first
  from reviews.cycle_briefs b
  cross join lateral jsonb_array_elements(b.body->'accounts') a
  where b.run_id in (:run_id, :previous)
),

n as (select * from lines where run_id = :run_id),

t as (select * from lines where run_id = :previous)

select
  coalesce(n.id, t.id) as account_id,
  coalesce(n.name, t.name) as account_name,
  coalesce(n.owner_id, t.owner_id) as owner_id,
  n.level,
  n.score,
  n.first,
  n.previous,
  t.level as old_level,
  t.score as old_score

-- Full: accounts came and went between the two.
from n full outer join t on t.id = n.id

where n.id is null
  or t.id is null
  or n.level is distinct from t.level
  or n.score is distinct from t.score
