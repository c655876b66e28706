"""What workers share of services behind HTTP: tokens, budgets, breakers."""

from alembic import op

revision = "0020_api_calls"
down_revision = "0019_operations"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
