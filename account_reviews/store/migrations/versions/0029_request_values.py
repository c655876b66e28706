"""What the account of a request is worth a year, so that the inbox can show the largest first.

Those that wait get it from their snapshot; the others are in no such list.
"""

from alembic import op

revision = "0029_request_values"
down_revision = "0028_digest_days"
branch_labels = None
depends_on = None

STATEMENTS = (
    "alter table reviews.approval_requests add column value numeric",
    (
        "comment on column reviews.approval_requests.value is "
        "'annual revenue of the account, as its review has read it; null: unknown'"
    ),
    """
    update reviews.approval_requests as request
    set value = cast(snapshot.body#>>'{account,annual_revenue}' as numeric)
    from reviews.review_runs as run
    join reviews.documents as snapshot on snapshot.hash = run.state#>>'{snapshot,hash}'
    where run.run_id = request.run_id
        and request.state = 'pending'
        and pg_input_is_valid(snapshot.body#>>'{account,annual_revenue}', 'numeric')
    """,
)


def upgrade() -> None:
    """Make the column and fill it."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Take it away."""
    op.execute("alter table reviews.approval_requests drop column value")
