"""Facts on their way to the audit trail, written with the data they tell of."""

from alembic import op

revision = "0005_audit_outbox"
down_revision = "0004_cycles"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.audit_outbox (
        id bigint generated always as identity primary key,
        event_id text not null,
        body jsonb not null,
        put_at timestamptz not null default now()
    )
    """,
    """
    create table reviews.policy_in_force (
        tenant text primary key,
        hash text not null,
        since timestamptz not null
    )
    """,
    "alter table crm.operations add column audited_at timestamptz",
    "create index operations_unaudited on crm.operations (applied_at) where audited_at is null",
    "create index review_runs_closed on reviews.review_runs (closed_at)",
)


def upgrade() -> None:
    """Create the outbox, and note of writes whether the trail has them."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove all of it."""
    op.execute("drop index reviews.review_runs_closed")
    op.execute("alter table crm.operations drop column audited_at")
    op.execute("drop table reviews.policy_in_force")
    op.execute("drop table reviews.audit_outbox")
