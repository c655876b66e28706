"""Archives of closed reviews, what was erased at somebody's wish, and marks on what was changed."""

from alembic import op

revision = "0014_archives"
down_revision = "0013_lists_and_views"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    create table reviews.archives (
        run_id text primary key,
        hash text not null,
        review_id text not null,
        workflow_run_id text not null,
        tenant text not null,
        account_id text not null,
        owner_id text,
        outcome text,
        started_at timestamptz not null,
        closed_at timestamptz not null,
        archived_at timestamptz not null default now(),
        body jsonb not null
    )
    """,
    "create index archives_review on reviews.archives (tenant, review_id, started_at desc)",
    "create index archives_account on reviews.archives (tenant, account_id, started_at desc)",
    "create index archives_closed on reviews.archives (tenant, closed_at)",
    "create index archives_last_run on reviews.archives (workflow_run_id)",
    "comment on table reviews.archives is 'Closed reviews whose rows are gone, a document each'",
    """
    create table reviews.erasures (
        erasure_id text primary key,
        tenant text not null,
        kind text not null check (kind in ('account', 'person')),
        salt text not null,
        key_hash text not null,
        by text not null,
        reason text not null,
        counts jsonb not null default '{}',
        began_at timestamptz not null default now(),
        ended_at timestamptz
    )
    """,
    "create index erasures_newest on reviews.erasures (tenant, began_at desc)",
    (
        "comment on table reviews.erasures is "
        "'What was erased at whose wish; the key is a salted hash of what was named'"
    ),
    """
    create table reviews.erased_runs (
        run_id text primary key,
        workflow_run_id text not null,
        tenant text not null,
        erasure_id text not null,
        at timestamptz not null default now()
    )
    """,
    "create index erased_runs_last_run on reviews.erased_runs (workflow_run_id)",
    "comment on table reviews.erased_runs is 'Reviews that were erased and are not to come back'",
    "alter table reviews.review_runs add column erased_at timestamptz",
    "alter table reviews.documents add column erased_at timestamptz",
    "create index proposal_outcomes_old on reviews.proposal_outcomes (tenant, at)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop index reviews.proposal_outcomes_old")
    for name in ("documents", "review_runs"):
        op.execute(f"alter table reviews.{name} drop column erased_at")
    for name in ("erased_runs", "erasures", "archives"):
        op.execute(f"drop table reviews.{name}")
