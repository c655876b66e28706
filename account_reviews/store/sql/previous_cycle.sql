select cycle_id, run_id, as_of, portfolio->'risk_distribution' as risk_distribution

from reviews.cycles

-- Cycles without a schedule follow one another when they have the same scope.
where tenant = :tenant
  and kind = :kind
  and schedule_id is not distinct from cast(:schedule_id as text)
  and (schedule_id is not null or portfolio->'scope' = cast(:scope as jsonb))
  and portfolio is not null
  and status = 'completed'
  and started_at < :started_at

order by started_at desc
limit 1
