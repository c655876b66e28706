"""On which days of the week an owner wants the morning's digest."""

from alembic import op

revision = "0028_digest_days"
down_revision = "0025_live_events"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.digest_days (
        tenant text not null,
        owner_id text not null,
        days smallint[] not null,
        set_by text not null,
        set_at timestamptz not null default now(),
        primary key (tenant, owner_id),
        constraint digest_days_week check (days <@ array[1, 2, 3, 4, 5, 6, 7]::smallint[])
    )
    """,
    (
        "comment on table reviews.digest_days is "
        "'On which days of the week, 1 is Monday, an owner wants a digest; no row: on each'"
    ),
)


def upgrade() -> None:
    """Make the table."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Without it everybody gets a digest every day."""
    op.execute("drop table reviews.digest_days")
