"""What an expired proposal is taken for, as it was said when it was asked."""

from alembic import op

revision = "0017_on_timeout"
down_revision = "0016_recoveries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column."""
    op.execute("alter table reviews.proposal_outcomes add column on_timeout text")


def downgrade() -> None:
    """Take it away."""
    op.execute("alter table reviews.proposal_outcomes drop column on_timeout")
