-- A document that is stored again is young again: retention takes old ones nobody refers to.
with young as (
  update reviews.documents set created_at = now()
  where hash = :document_hash and created_at < now() - interval '1 hour'
  returning 1
)

-- Without a document the hash is null, and nothing is stored.
insert into reviews.documents (hash, kind, body)
select
  cast(:document_hash as text),
  cast(:document_kind as text),
  cast(:document_body as jsonb)
from (select count(*) from young) as first
where cast(:document_hash as text) is not null
on conflict (hash) do nothing
