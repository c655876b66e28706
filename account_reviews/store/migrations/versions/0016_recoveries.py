"""A review that was reset in Temporal is shown as a recovery, in lists too."""

from alembic import op

revision = "0016_recoveries"
down_revision = "0015_undos"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table reviews.review_runs drop constraint review_runs_kind",
    """
    alter table reviews.review_runs
        add constraint review_runs_kind check (kind in (
            'scheduled', 'on_demand', 'manual', 'event', 'undo', 'recovery'
        )) not valid
    """,
    "alter table reviews.review_runs validate constraint review_runs_kind",
    """
    update reviews.review_runs set kind = 'recovery'
    where kind <> 'undo' and (state->>'was_reset')::boolean
    """,
)


def upgrade() -> None:
    """Take the word, and give it to those that were reset."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Give them back what they were started as."""
    op.execute("update reviews.review_runs set kind = state->>'kind' where kind = 'recovery'")
    op.execute("alter table reviews.review_runs drop constraint review_runs_kind")
    op.execute(
        "alter table reviews.review_runs add constraint review_runs_kind check (kind in ("
        "'scheduled', 'on_demand', 'manual', 'event', 'undo'))"
    )
