"""Whose CRM the database holds.

Where reviews of one tenant alone were made on it, it is theirs. Where those of several were, it is
the default tenant's if that is one of them: else whoever writes first after an upgrade, as any open
review may, would take it from the one who filled it. Else it is of whoever fills it or writes to it
first.
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
    select case count(distinct tenant) when 1 then min(tenant) else 'default' end
    from reviews.review_runs
    having (count(distinct tenant) = 1 or bool_or(tenant = 'default'))
        and exists (select from crm.accounts)
    """,
)


def upgrade() -> None:
    """Create the table, and fill it where it is clear."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table crm.belongs_to")
