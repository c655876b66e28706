"""Cycles, their accounts and briefs, schedule runs, digests, and the kill switch."""

from alembic import op

revision = "0004_cycles"
down_revision = "0003_memory"
branch_labels = None
depends_on = None

TABLES = (
    """
    create table reviews.cycles (
        run_id text primary key,
        cycle_id text not null,
        tenant text not null,
        kind text not null,
        status text not null,
        reason text,
        schedule_id text,
        started_by text not null,
        as_of timestamptz not null,
        scheduled_at timestamptz,
        late boolean not null default false,
        accounts integer not null default 0,
        done integer not null default 0,
        running integer not null default 0,
        waiting integer not null default 0,
        failed integer not null default 0,
        joined integer not null default 0,
        missing_sources jsonb not null default '[]',
        portfolio jsonb,
        version bigint not null,
        started_at timestamptz not null,
        updated_at timestamptz not null,
        closed_at timestamptz
    )
    """,
    "create index cycles_newest on reviews.cycles (tenant, started_at desc, run_id)",
    "create index cycles_id on reviews.cycles (cycle_id, started_at desc)",
    """
    create table reviews.cycle_accounts (
        run_id text not null,
        account_id text not null,
        position integer not null,
        account_name text not null,
        owner_id text,
        risk_level text not null,
        risk_score integer,
        snapshot jsonb,
        state text not null,
        joined boolean not null default false,
        review_run_id text,
        reason text,
        primary key (run_id, account_id)
    )
    """,
    "create index cycle_accounts_position on reviews.cycle_accounts (run_id, position)",
    "create index cycle_accounts_owner on reviews.cycle_accounts (run_id, owner_id, account_id)",
    """
    create table reviews.cycle_briefs (
        run_id text not null,
        owner_id text not null,
        body jsonb not null,
        made_at timestamptz not null default now(),
        primary key (run_id, owner_id)
    )
    """,
    """
    create table reviews.digests (
        tenant text not null,
        owner_id text not null,
        day date not null,
        body jsonb not null,
        made_at timestamptz not null default now(),
        primary key (tenant, owner_id, day)
    )
    """,
    """
    create table reviews.schedule_runs (
        id text primary key,
        schedule_id text not null,
        tenant text not null,
        workflow_id text not null,
        trigger text not null,
        scheduled_at timestamptz not null,
        started_at timestamptz not null,
        lateness_seconds double precision not null,
        late boolean not null,
        status text not null,
        accounts_processed integer not null default 0,
        duration_seconds double precision,
        error text
    )
    """,
    (
        "create index schedule_runs_newest"
        " on reviews.schedule_runs (tenant, schedule_id, started_at desc, id desc)"
    ),
    """
    create table reviews.halts (
        id bigint generated always as identity primary key,
        tenant text not null,
        by text not null,
        reason text not null,
        at timestamptz not null default now(),
        released_by text,
        released_reason text,
        released_at timestamptz
    )
    """,
    "create unique index halts_open on reviews.halts (tenant) where released_at is null",
)


def upgrade() -> None:
    for statement in TABLES:
        op.execute(statement)
    op.execute("alter table reviews.review_runs add column cycle_id text")
    op.execute(
        "create index review_runs_cycle on reviews.review_runs (cycle_id)"
        " where cycle_id is not null"
    )


def downgrade() -> None:
    op.execute("alter table reviews.review_runs drop column cycle_id")
    for name in ("halts", "schedule_runs", "digests", "cycle_briefs", "cycle_accounts", "cycles"):
        op.execute(f"drop table reviews.{name}")
