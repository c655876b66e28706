-- What a purge would do now.
select
  count(*) filter (where account_id <> all(:held)) as due,
  count(*) filter (where account_id = any(:held)) as held

from reviews.review_runs

where tenant = :tenant and closed_at < :before
