-- Who signed in by a link or through a provider, once the roles from there have not counted for as
-- long as closed reviews are kept. Local users stay until somebody removes them.
delete from reviews.people

where ctid in (
  select ctid from reviews.people
  where tenant = :tenant and source <> 'local' and until_at < :before
  limit :batch
)
