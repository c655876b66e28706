-- Each owner whose accounts were reviewed, with the name of the newest review that knows it.
with recursive owners as (
  (
    select owner_id
    from reviews.review_runs
    where tenant = :tenant and owner_id is not null
    order by owner_id
    limit 1
  )

  union all

  select (
    select next.owner_id
    from reviews.review_runs as next
    where next.tenant = :tenant and next.owner_id > owners.owner_id
    order by next.owner_id
    limit 1
  )
  from owners
  where owners.owner_id is not null
)

select
  owner_id as id,
  (
    select run.state#>>'{snapshot,owner_name}'
    from reviews.review_runs as run
    where run.tenant = :tenant and run.owner_id = owners.owner_id
    order by run.started_at desc
    limit 1
  ) as name

from owners
where owner_id is not null
