"""Syncs of the memory, and where its items lie elsewhere."""

from alembic import op

revision = "0022_memory_sync"
down_revision = "0021_webhooks"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
