"""What reviews want remembered, until the memory has it."""

from alembic import op

revision = "0006_memory_outbox"
down_revision = "0005_audit_outbox"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.memory_outbox (
        run_id text primary key,
        tenant text not null,
        account_id text not null,
        items jsonb not null,
        put_at timestamptz not null default now(),
        attempts integer not null default 0,
        next_at timestamptz not null default now(),
        last_error text,
        delivered_at timestamptz
    )
    """,
    """
    create index memory_outbox_waiting on reviews.memory_outbox (tenant, next_at)
    where delivered_at is null
    """,
)


def upgrade() -> None:
    """Create the table."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table reviews.memory_outbox")
