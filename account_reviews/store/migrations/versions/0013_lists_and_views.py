"""What lists filter by, what rows may hold, and two views for people with SQL.

`agent`, `purpose` and `context` are taken from the stored states. Words that no release wrote are
put right before the checks hold: a check that a row breaks would stop its review for good.
"""

from alembic import op

revision = "0013_lists_and_views"
down_revision = "0012_notification_deliveries"
branch_labels = None
depends_on = None

WORDS = ("phase", "status", "kind", "outcome", "risk_level")

STATEMENTS = (
    """
    alter table reviews.review_runs
        add column agent text not null default 'unknown',
        add column purpose text not null default 'general',
        add column context jsonb not null default '{}'
    """,
    """
    update reviews.review_runs set
        agent = coalesce(state->>'agent', 'unknown'),
        purpose = coalesce(state->>'purpose', 'general'),
        context = case jsonb_typeof(state->'context')
            when 'object' then state->'context'
            else '{}'
        end,
        kind = case
            when kind in ('scheduled', 'on_demand', 'manual', 'event', 'undo') then kind
            else 'manual'
        end,
        phase = case
            when phase in (
                'initializing', 'investigating', 'planning', 'approval', 'executing',
                'validating', 'completed', 'failed', 'abandoned'
            ) then phase
            when closed_at is null then 'investigating'
            else 'abandoned'
        end,
        status = case
            when status in (
                'running', 'waiting', 'paused', 'completed', 'expired', 'cancelled',
                'abandoned', 'failed'
            ) then status
            when closed_at is null then 'running'
            else 'abandoned'
        end
    """,
    """
    alter table reviews.review_runs
        add constraint review_runs_phase check (phase in (
            'initializing', 'investigating', 'planning', 'approval', 'executing', 'validating',
            'completed', 'failed', 'abandoned'
        )) not valid,
        add constraint review_runs_status_word check (status in (
            'running', 'waiting', 'paused', 'completed', 'expired', 'cancelled', 'abandoned',
            'failed'
        )) not valid,
        add constraint review_runs_kind check (kind in (
            'scheduled', 'on_demand', 'manual', 'event', 'undo'
        )) not valid
    """,
    "alter table reviews.review_runs validate constraint review_runs_phase",
    "alter table reviews.review_runs validate constraint review_runs_status_word",
    "alter table reviews.review_runs validate constraint review_runs_kind",
    # In the order of the list, so that a page ends where it is full.
    "drop index reviews.review_runs_newest",
    "drop index reviews.review_runs_status",
    """
    create index review_runs_newest on reviews.review_runs
        (tenant, started_at desc, run_id desc)
    """,
    *(
        f"create index review_runs_{name} on reviews.review_runs "
        f"(tenant, {name}, started_at desc, run_id desc)"
        for name in WORDS
    ),
    """
    create index review_runs_attention on reviews.review_runs
        (tenant, started_at desc, run_id desc) where needs_attention
    """,
    """
    create index review_runs_review on reviews.review_runs (tenant, review_id, started_at desc)
    """,
    # A name has no end and an index entry has one.
    """
    create index review_runs_name on reviews.review_runs
        (tenant, left(name, 100), started_at desc, run_id desc)
    """,
    """
    create index review_runs_agent on reviews.review_runs
        (tenant, left(agent, 100), started_at desc, run_id desc)
    """,
    """
    create index review_runs_purpose on reviews.review_runs
        (tenant, left(purpose, 100), started_at desc, run_id desc)
    """,
    # Most rows hold nothing for these two: what is held is found at once, not at the next vacuum.
    """
    create index review_runs_context on reviews.review_runs
        using gin (context) with (fastupdate = off)
    """,
    """
    create index review_runs_waiting_on on reviews.review_runs
        using gin ((lower(waiting_on::text)::jsonb)) with (fastupdate = off)
    """,
    # A save brings the time of its review; whoever changes a row by hand brings none.
    """
    create function reviews.touch_updated_at() returns trigger
    language plpgsql set search_path = pg_catalog, pg_temp as $$
    begin
        if new.updated_at is not distinct from old.updated_at and new is distinct from old then
            new.updated_at = now();
        end if;
        return new;
    end $$
    """,
    """
    create trigger updated_at before update on reviews.review_runs
        for each row execute function reviews.touch_updated_at()
    """,
    """
    create table reviews.schedules (
        tenant text not null,
        schedule_id text not null,
        schedule_type text not null,
        cron_expression text,
        owner_id text,
        enabled boolean not null,
        next_run timestamptz,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now(),
        primary key (tenant, schedule_id),
        constraint schedules_type check (schedule_type in (
            'daily', 'weekly', 'biweekly', 'monthly', 'cron', 'interval', 'one_time'
        ))
    )
    """,
    "create index schedules_owner on reviews.schedules (owner_id)",
    "create index schedules_next_run on reviews.schedules (next_run)",
    """
    comment on table reviews.schedules is
        'Schedules as the server said last; their truth is there, see `reviews schedules list`'
    """,
    """
    create trigger updated_at before update on reviews.schedules
        for each row execute function reviews.touch_updated_at()
    """,
    """
    create view reviews.agent_sessions with (security_invoker) as
    select
        run_id as session_id,
        review_id as orchestrator_id,
        case
            when phase = 'initializing' then 'pending'
            when status = 'waiting' then 'running'
            when status in ('expired', 'cancelled', 'abandoned') then 'interrupted'
            else status
        end as status,
        case when (state->>'was_reset')::boolean then 'recovery' else kind end as session_type,
        jsonb_build_object(
            'account_ids', jsonb_build_array(account_id),
            'owner_id', owner_id,
            'metadata', coalesce(state->'metadata', '{}'),
            'checkpoint_timestamp', updated_at
        ) || context as context_snapshot,
        array[account_id] as account_ids,
        owner_id,
        started_at as created_at,
        updated_at
    from reviews.review_runs
    """,
    """
    comment on view reviews.agent_sessions is
        'Reviews in the columns and words of an earlier system; see docs/database.md'
    """,
    """
    create view reviews.scheduled_reviews with (security_invoker) as
    select
        case one.tenant
            when 'default' then one.schedule_id
            else one.tenant || '/' || one.schedule_id
        end as review_id,
        one.schedule_type,
        one.cron_expression,
        one.owner_id,
        one.enabled,
        (
            select max(run.started_at) from reviews.schedule_runs run
            where run.tenant = one.tenant and run.schedule_id = one.schedule_id
                and run.status <> 'missed'
        ) as last_run,
        case when one.enabled and one.next_run > now() then one.next_run end as next_run,
        one.created_at,
        one.updated_at
    from reviews.schedules one
    """,
    """
    comment on view reviews.scheduled_reviews is
        'Schedules in the columns of an earlier system; see docs/database.md'
    """,
)


def upgrade() -> None:
    """Add the columns, fill them, and let the checks hold."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them. Repaired words stay as they are."""
    op.execute("drop view reviews.scheduled_reviews")
    op.execute("drop view reviews.agent_sessions")
    op.execute("drop table reviews.schedules")
    op.execute("drop trigger updated_at on reviews.review_runs")
    op.execute("drop function reviews.touch_updated_at()")
    for name in (*WORDS, "newest", "review", "attention", "waiting_on"):
        op.execute(f"drop index reviews.review_runs_{name}")
    op.execute(
        "create index review_runs_newest on reviews.review_runs (tenant, started_at desc, run_id)"
    )
    op.execute(
        "create index review_runs_status on reviews.review_runs (tenant, status, started_at desc)"
    )
    for name in ("phase", "status_word", "kind"):
        op.execute(f"alter table reviews.review_runs drop constraint review_runs_{name}")
    op.execute("drop index reviews.review_runs_name")
    for column in ("agent", "purpose", "context"):
        op.execute(f"alter table reviews.review_runs drop column {column}")
