-- Reviews that may name somebody, each with what of it may: its state, and the documents it names.
select
  r.run_id,
  r.review_id,
  r.account_id,
  r.closed_at is null as is_open,
  case when r.state::text ~* :pattern then r.state end as state,
  named.documents

from reviews.review_runs r
left join lateral (
  select jsonb_agg(d.body) as documents
  from reviews.documents d
  where d.hash in (
      r.analysis_hash,
      r.state #>> '{snapshot,hash}',
      r.state #>> '{memory,hash}',
      r.state #>> '{analysis,hash}'
    )
    and d.body::text ~* :pattern
) named on true

where r.tenant = :tenant
  and (r.state::text ~* :pattern or named.documents is not null)

union all

select run_id, review_id, account_id, false, body -> 'state', null
from reviews.archives
where tenant = :tenant and body::text ~* :pattern
