"""Places of open interactive reviews."""

from alembic import op

revision = "0011_admission"
down_revision = "0010_crm_tenant"
branch_labels = None
depends_on = None

STATEMENTS = (
    "create table reviews.admission_tenants (tenant text primary key)",
    """
    create table reviews.admission (
        reservation_id text primary key,
        tenant text not null,
        workflow_id text not null,
        run_id text,
        reserved_at timestamptz not null default now(),
        checked_at timestamptz,
        alone_since timestamptz
    )
    """,
    "create index admission_tenant on reviews.admission (tenant)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop table reviews.admission")
    op.execute("drop table reviews.admission_tenants")
