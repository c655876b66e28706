-- Everything of the accounts :ids as of :as_of, one row and one JSON document per account.
-- One statement sees one state of the CRM. Exact numbers travel as text. Tasks are shown whenever
-- they were made: one that an earlier review made must be seen whatever moment is looked at.
select account.id, jsonb_build_object(
  'account', to_jsonb(account) || jsonb_build_object(
    'version', account.version::text,
    'annual_revenue', account.annual_revenue::text,
    'last_activity_at',
      case when account.last_activity_at <= :as_of then account.last_activity_at end
  ),
  'owner', (
    select to_jsonb(owner) || jsonb_build_object('version', owner.version::text)
    from crm.owners as owner where owner.id = account.owner_id
  ),
  'previous_owner', (
    select to_jsonb(owner) || jsonb_build_object('version', owner.version::text)
    from crm.owners as owner where owner.id = (
      select change.previous_owner_id from crm.account_owner_changes as change
      where change.account_id = account.id and change.owner_id = account.owner_id
        and change.at >= :since
      order by change.at desc limit 1
    )
  ),
  -- Of an owner who has left: the nearest active manager, or the own one where none is active.
  'manager', (
    with recursive above as (
      select boss.*, 1 as steps
      from crm.owners as owner join crm.owners as boss on boss.id = owner.manager_id
      where owner.id = account.owner_id and not owner.active and boss.id <> owner.id
      union all
      select boss.*, above.steps + 1
      from above join crm.owners as boss on boss.id = above.manager_id
      where not above.active and above.steps < 20 and boss.id <> account.owner_id
    )
    select to_jsonb(above) || jsonb_build_object('version', above.version::text)
    from above order by above.active desc, above.steps limit 1
  ),
  'contacts', (
    select jsonb_agg(to_jsonb(one) || jsonb_build_object('version', one.version::text))
    from (
      select * from crm.contacts
      where account_id = account.id and (created_at is null or created_at <= :as_of)
      order by created_at desc nulls last, id limit :contacts
    ) as one
  ),
  'deals', (
    select jsonb_agg(to_jsonb(one) || jsonb_build_object(
      'version', one.version::text,
      'amount', one.amount::text,
      'stage_history', coalesce((
        select jsonb_agg(jsonb_build_object('stage', step.stage, 'at', step.at) order by step.at)
        from crm.deal_stage_changes as step where step.deal_id = one.id
      ), '[]')
    ))
    from (
      select * from crm.deals
      where account_id = account.id and (created_at is null or created_at <= :as_of)
      order by stage = any(:closed_stages), created_at desc nulls last, id limit :deals
    ) as one
  ),
  'activities', (
    select jsonb_agg(to_jsonb(one) || jsonb_build_object('version', one.version::text))
    from (
      select * from crm.activities
      where account_id = account.id and at <= :as_of
        and (created_at is null or created_at <= :as_of)
      order by at desc, id limit :activities
    ) as one
  ),
  'activity_marks', (
    select jsonb_agg(to_jsonb(one))
    from (
      select id, type, at from crm.activities
      where account_id = account.id and at <= :as_of and at >= :since
        and (created_at is null or created_at <= :as_of)
      order by at desc, id
    ) as one
  ),
  'notes', (
    select jsonb_agg(to_jsonb(one) || jsonb_build_object('version', one.version::text))
    from (
      select * from crm.notes
      where account_id = account.id and (created_at is null or created_at <= :as_of)
      order by created_at desc nulls last, id limit :notes
    ) as one
  ),
  'tasks', (
    select jsonb_agg(to_jsonb(one) || jsonb_build_object('version', one.version::text))
    from (
      select * from crm.tasks
      where account_id = account.id
      order by created_at desc nulls last, id limit :tasks
    ) as one
  ),
  'modules', (select jsonb_agg(name) from crm.modules),
  'totals', jsonb_build_object(
    'contact', (
      select count(*) from crm.contacts
      where account_id = account.id and (created_at is null or created_at <= :as_of)
    ),
    'deal', (
      select count(*) from crm.deals
      where account_id = account.id and (created_at is null or created_at <= :as_of)
    ),
    'activity', (
      select count(*) from crm.activities
      where account_id = account.id and at <= :as_of
        and (created_at is null or created_at <= :as_of)
    ),
    'note', (
      select count(*) from crm.notes
      where account_id = account.id and (created_at is null or created_at <= :as_of)
    ),
    'task', (select count(*) from crm.tasks where account_id = account.id)
  ),
  'fetched_at', statement_timestamp()
) as document
from crm.accounts as account
where account.id = any(:ids)
