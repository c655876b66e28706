"""Documents, read model, outcomes, baselines."""

from alembic import op

revision = "0001_reviews"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
create table reviews.documents (
    hash text primary key,
    kind text not null,
    body jsonb not null,
    created_at timestamptz not null default now()
);
create table reviews.review_runs (
    run_id text primary key,
    review_id text not null,
    tenant text not null,
    account_id text not null,
    owner_id text,
    name text,
    kind text not null,
    phase text not null,
    status text not null,
    outcome text,
    risk_level text,
    risk_score integer,
    health_score double precision,
    waiting_on jsonb not null default '[]',
    due_at timestamptz,
    needs_attention boolean not null default false,
    analysis_hash text,
    state jsonb not null,
    version bigint not null,
    started_at timestamptz not null,
    updated_at timestamptz not null,
    closed_at timestamptz
);
create index review_runs_account on reviews.review_runs (tenant, account_id, started_at desc);
create index review_runs_newest on reviews.review_runs (tenant, started_at desc, run_id);
create index review_runs_owner on reviews.review_runs (tenant, owner_id, started_at desc);
create index review_runs_status on reviews.review_runs (tenant, status, started_at desc);
create table reviews.approval_requests (
    request_id text primary key,
    run_id text not null,
    review_id text not null,
    tenant text not null,
    account_id text not null,
    owner_id text,
    state text not null,
    requested_at timestamptz not null,
    deadline timestamptz not null,
    body jsonb not null,
    version bigint not null
);
create index approval_requests_open on reviews.approval_requests (tenant, state, deadline);
create index approval_requests_run on reviews.approval_requests (run_id);
create table reviews.proposal_outcomes (
    run_id text not null,
    change_id text not null,
    tenant text not null,
    account_id text not null,
    rule text not null,
    recommendation_type text not null,
    state text not null,
    by text,
    at timestamptz not null,
    reason text,
    risk_level text not null,
    evidence_hash text not null,
    primary key (run_id, change_id)
);
create index proposal_outcomes_account
    on reviews.proposal_outcomes (tenant, account_id, at desc);
create table reviews.account_baselines (
    tenant text not null,
    account_id text not null,
    snapshot_hash text not null,
    run_id text not null,
    risk_score integer,
    risk_level text not null,
    taken_at timestamptz not null,
    primary key (tenant, account_id)
);
"""


def upgrade() -> None:
    op.execute("create schema if not exists reviews")
    for statement in STATEMENTS.split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    for table in (
        "account_baselines", "proposal_outcomes", "approval_requests", "review_runs", "documents",
    ):  # fmt: skip
        op.execute(f"drop table reviews.{table}")
