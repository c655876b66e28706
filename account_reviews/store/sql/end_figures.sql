-- How the reviews ended that closed within the last hours; seconds from start to end.
with ended as (
  select
    run.status,
    run.state,
    extract(epoch from run.closed_at - run.started_at) as seconds,
    exists (
      select from reviews.approval_requests request where request.run_id = run.run_id
    ) as asked,
    exists (
      select from reviews.approval_requests request
      where request.run_id = run.run_id
        and jsonb_array_length(request.body->'decisions') > 0
    ) as taken_up
  from reviews.review_runs run
  where run.closed_at >= now() - make_interval(hours => :hours)
    and (cast(:tenant as text) is null or run.tenant = :tenant)
)

select
  count(*) as closed,
  count(*) filter (
    where status = 'failed' or (state->>'error_count')::int > 0
  ) as erroneous,
  count(*) filter (where asked) as asked,
  count(*) filter (where taken_up) as taken_up,
  count(*) filter (where taken_up and status = 'completed') as finished,
  percentile_cont(0.5) within group (order by seconds) as median,
  percentile_cont(0.95) within group (order by seconds) as p95

from ended
