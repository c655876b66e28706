"""Baselines go by when their review closed, and outcomes note the clock of the rules."""

from alembic import op

revision = "0008_clocks"
down_revision = "0007_worker_role"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table reviews.proposal_outcomes add column clock_at timestamptz",
    "alter table reviews.account_baselines add column closed_at timestamptz",
    """
    update reviews.account_baselines known set closed_at = r.closed_at
    from reviews.review_runs r
    where r.run_id = known.run_id
    """,
)


def upgrade() -> None:
    """Add both columns; a baseline whose review is no longer kept makes room for the next."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("alter table reviews.account_baselines drop column closed_at")
    op.execute("alter table reviews.proposal_outcomes drop column clock_at")
