-- Facts that were left for the trail long enough ago to be there, page by page.
select scope, number, event_id

from reviews.audit_facts

where put_at < now() - interval '1 minute'
  and (cast(:since as timestamptz) is null or put_at >= :since)
  and (cast(:runs as text[]) is null or scope = any(:runs))
  and (scope, number) > (:scope, :number)

order by scope, number
limit 2000
