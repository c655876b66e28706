delete from reviews.archives
where run_id in (
  select run_id
  from reviews.archives
  where tenant = :tenant
    and closed_at < :archived_before
    and account_id <> all(:held)
  limit :batch
)
