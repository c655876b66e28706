"""Whose CRM the database holds.

Where reviews of one tenant alone were made on it, it is theirs; else of whoever fills it or writes
to it first.
"""

from alembic import op

revision = "0010_crm_tenant"
down_revision = "0009_numbered_facts"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table crm.belongs_to (
        only_one boolean primary key default true check (only_one),
        tenant text not null,
        since timestamptz not null default now()
    )
    """,
    """
    insert into crm.belongs_to (tenant)
    select min(tenant) from reviews.review_runs
    having count(distinct tenant) = 1 and exists (select from crm.accounts)
    """,
)


def upgrade() -> None:
    """Create the table, and fill it where it is clear."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table crm.belongs_to")
