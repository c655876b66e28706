"""Which reviews have taken a write of another one back."""

from alembic import op

revision = "0015_undos"
down_revision = "0014_archives"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index."""
    op.execute(
        "create index review_runs_undo on reviews.review_runs ((state->'undo'->>'run_id'))"
        " where kind = 'undo'"
    )


def downgrade() -> None:
    """Take it down."""
    op.execute("drop index reviews.review_runs_undo")
