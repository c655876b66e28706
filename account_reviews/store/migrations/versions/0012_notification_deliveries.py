"""Who was notified of what by which channel, so that nobody is twice."""

from alembic import op

revision = "0012_notification_deliveries"
down_revision = "0011_admission"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.notification_deliveries (
        key text primary key,
        tenant text not null,
        kind text not null,
        about text not null,
        level integer not null default 0,
        channel text not null,
        recipient text not null,
        name text,
        run_id text,
        review_id text,
        account_id text,
        state text not null check (state in ('trying', 'sent', 'failed')),
        attempts integer not null,
        begun_at timestamptz not null,
        held_until timestamptz not null,
        ended_at timestamptz,
        error text
    )
    """,
    """
    create index notification_deliveries_about
    on reviews.notification_deliveries (tenant, about)
    """,
    "create index notification_deliveries_run on reviews.notification_deliveries (run_id)",
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table reviews.notification_deliveries")
