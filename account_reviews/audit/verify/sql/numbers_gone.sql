-- Runs whose facts are not numbered from the oldest that is kept to the last.
select
  n.scope,
  n.last,
  count(f.number) as kept,
  min(f.number) as first

from reviews.audit_numbers n
left join reviews.audit_facts f using (scope)

where (cast(:runs as text[]) is null or n.scope = any(:runs))

group by n.scope, n.last
having n.last > 0 and count(f.number) <> n.last - coalesce(min(f.number), 1) + 1
  or max(f.number) > n.last

order by n.scope
limit 1000
