-- All that stands between a statement and the rows of these tables, one thing a row.
with watched as (
  select c.oid, c.relname, c.relkind, c.relrowsecurity, i.inhparent is not null as month
  from pg_class c
  left join pg_inherits i on i.inhrelid = c.oid
  where c.relnamespace = cast(:schema as regnamespace)
    and (
      c.relname = any(cast(:tables as text[]))
      or i.inhparent in (
        select oid from pg_class p
        where p.relnamespace = c.relnamespace and p.relname = any(cast(:tables as text[]))
      )
    )
)

select 'table' as what, relname, month, '' as name, relkind::text as definition
from watched
where relkind in ('r', 'p', 'v', 'm', 'f')

union all

select
  'trigger',
  relname,
  month,
  t.tgname,
  concat_ws(
    ' ', t.tgfoid::regproc, t.tgtype, t.tgenabled, pg_get_expr(t.tgqual, t.tgrelid),
    nullif(t.tgattr::text, '')
  )
from watched w
join pg_trigger t on t.tgrelid = w.oid
where not t.tgisinternal

union all

select 'rule', relname, month, r.rulename, r.ev_type::text
from watched w
join pg_rewrite r on r.ev_class = w.oid

union all

select 'policy', relname, month, coalesce(p.polname, 'row level security'), ''
from watched w
left join pg_policy p on p.polrelid = w.oid
where w.relrowsecurity or p.oid is not null

union all

select 'default', relname, month, a.attname, pg_get_expr(d.adbin, d.adrelid)
from watched w
join pg_attrdef d on d.adrelid = w.oid
join pg_attribute a on a.attrelid = w.oid and a.attnum = d.adnum

union all

select
  'function',
  '',
  false,
  p.proname,
  -- All of one name: beside a hollow one another of other arguments could have the right body.
  string_agg(left(encode(sha256(convert_to(concat_ws(
    ' ', l.lanname, p.prosecdef, p.proconfig, regexp_replace(p.prosrc, '\s+', ' ', 'g')
  ), 'UTF8')), 'hex'), 40), ' ' order by p.oid)
from pg_proc p
join pg_language l on l.oid = p.prolang
where p.pronamespace = cast(:schema as regnamespace)
group by p.proname

order by 1, 2, 4
