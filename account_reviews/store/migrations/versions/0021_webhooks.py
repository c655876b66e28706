"""Incoming webhooks, and how far polling has come."""

from alembic import op

revision = "0021_webhooks"
down_revision = "0020_api_calls"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    create table reviews.webhook_keys (
        tenant text not null,
        source text not null,
        key text not null,
        seen_at timestamptz not null default now(),
        primary key (tenant, source, key)
    )
    """,
    "create index webhook_keys_seen on reviews.webhook_keys (tenant, seen_at)",
    "comment on table reviews.webhook_keys is 'What came in already: a repeat is not taken again'",
    """
    create table reviews.webhook_events (
        id bigint generated always as identity primary key,
        tenant text not null,
        source text not null,
        key text not null,
        record_type text not null,
        record_id text not null,
        action text not null,
        account_id text,
        occurred_at timestamptz,
        received_at timestamptz not null default now(),
        state text not null default 'new',
        attempts integer not null default 0,
        next_at timestamptz not null default now(),
        outcome text,
        error text,
        ended_at timestamptz,
        constraint webhook_events_state check (state in ('new', 'waiting', 'done', 'dead'))
    )
    """,
    """
    create index webhook_events_new on reviews.webhook_events (tenant, next_at, id)
        where state = 'new'
    """,
    """
    create index webhook_events_waiting on reviews.webhook_events (tenant, account_id, id)
        where state = 'waiting'
    """,
    """
    create index webhook_events_ended on reviews.webhook_events (tenant, ended_at)
        where ended_at is not null
    """,
    """
    create index webhook_events_dead on reviews.webhook_events (tenant, id) where state = 'dead'
    """,
    "comment on table reviews.webhook_events is 'What the CRM says has changed, record by record'",
    """
    create table reviews.event_accounts (
        tenant text not null,
        account_id text not null,
        due_at timestamptz,
        handling_id text,
        handling_until bigint,
        attempts integer not null default 0,
        handled_at timestamptz,
        watched_run_id text,
        watched_snapshot text,
        primary key (tenant, account_id)
    )
    """,
    """
    create index event_accounts_due on reviews.event_accounts (tenant, due_at)
        where due_at is not null
    """,
    (
        "comment on table reviews.event_accounts is "
        "'When an account whose events wait is looked at next'"
    ),
    """
    create table reviews.poll_cursors (
        tenant text not null,
        name text not null,
        until_at timestamptz not null,
        polled_at timestamptz not null default now(),
        found integer not null default 0,
        primary key (tenant, name)
    )
    """,
    "comment on table reviews.poll_cursors is 'Up to when the CRM was asked what has changed'",
)
TABLES = ("poll_cursors", "event_accounts", "webhook_events", "webhook_keys")


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    for table in TABLES:
        op.execute(f"drop table reviews.{table}")
