"""The ledger of operations: what was sent to a CRM, and what came of it."""

from alembic import op

revision = "0019_operations"
down_revision = "0018_request_numbers"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
