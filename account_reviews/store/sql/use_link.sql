-- Whether this form may decide by the link: it is the first, or the same once more.
with first as (
  insert into reviews.web_used (tenant, kind, key, ends_at)
  values (:tenant, 'decision link', :link, cast(:ends_at as timestamptz))
  on conflict (tenant, kind, key) do nothing
  returning true
),

form as (
  insert into reviews.web_used (tenant, kind, key, ends_at)
  select :tenant, 'decision of link', :form, cast(:ends_at as timestamptz)
  from first
  on conflict (tenant, kind, key) do nothing
)

select
  exists (select from first)
  or exists (
    select
    from reviews.web_used
    where tenant = :tenant and kind = 'decision of link' and key = :form
  ) as may
