"""The number of each approval request among those of its account, which people call it by."""

from alembic import op

revision = "0018_request_numbers"
down_revision = "0017_on_timeout"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.request_numbers (
        request_id text primary key,
        tenant text not null,
        account_id text not null,
        number integer not null
    )
    """,
    """
    create unique index request_numbers_account
        on reviews.request_numbers (tenant, account_id, number)
    """,
    """
    insert into reviews.request_numbers (request_id, tenant, account_id, number)
    select
        request_id, tenant, account_id,
        row_number() over (partition by tenant, account_id order by requested_at, request_id)
    from reviews.approval_requests
    """,
)


def upgrade() -> None:
    """Create the table and number what is there."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table reviews.request_numbers")
