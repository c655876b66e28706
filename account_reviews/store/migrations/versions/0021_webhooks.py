"""Incoming webhooks, and how far polling has come."""

from alembic import op

revision = "0021_webhooks"
down_revision = "0020_api_calls"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
