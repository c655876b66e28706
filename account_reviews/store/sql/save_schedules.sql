-- Rows of schedules as the server has them; those of `asked` that it has not are removed.
with given as (
  select *
  from jsonb_to_recordset(cast(:rows as jsonb)) as one (
    schedule_id text, schedule_type text, cron_expression text, owner_id text, enabled boolean,
    next_run timestamptz, created_at timestamptz
  )
),

gone as (
  delete from reviews.schedules
  where tenant = :tenant
    and (cast(:asked as text[]) is null or schedule_id = any(:asked))
    and schedule_id not in (select schedule_id from given)
)

insert into reviews.schedules as known (
  tenant, schedule_id, schedule_type, cron_expression, owner_id, enabled, next_run, created_at
)
select
  cast(:tenant as text), schedule_id, schedule_type, cron_expression, owner_id, enabled, next_run,
  created_at
from given
on conflict (tenant, schedule_id) do update set
  schedule_type = excluded.schedule_type,
  cron_expression = excluded.cron_expression,
  owner_id = excluded.owner_id,
  enabled = excluded.enabled,
  next_run = excluded.next_run
where (
  known.schedule_type, known.cron_expression, known.owner_id, known.enabled, known.next_run
) is distinct from (
  excluded.schedule_type, excluded.cron_expression, excluded.owner_id, excluded.enabled,
  excluded.next_run
)
