-- Open reviews by phase, status and kind, with their ages in seconds.
select
  phase, status, kind,
  count(*) as sessions,
  extract(epoch from now() - min(started_at)) as oldest,
  extract(epoch from now() - max(started_at)) as newest,
  sum(extract(epoch from now() - started_at)) as ages

from reviews.review_runs

where closed_at is null
  and (cast(:tenant as text) is null or tenant = :tenant)

group by phase, status, kind
