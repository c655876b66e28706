"""Our own tables (schema `reviews`): documents, the read model, outcomes, baselines."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "reviews"
metadata = MetaData(schema=SCHEMA)

documents = Table(
    "documents",
    metadata,
    Column("hash", Text, primary_key=True, comment="SHA-256 of the canonical JSON"),
    Column("kind", Text, nullable=False, comment="snapshot | analysis | memory"),
    Column("body", JSONB, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

review_runs = Table(
    "review_runs",
    metadata,
    Column("run_id", Text, primary_key=True, comment="first execution run id"),
    Column("review_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("owner_id", Text),
    Column("name", Text),
    Column("kind", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("outcome", Text),
    Column("risk_level", Text),
    Column("risk_score", Integer),
    Column("health_score", Double),
    Column("waiting_on", JSONB, nullable=False, server_default=text("'[]'")),
    Column("due_at", DateTime(timezone=True)),
    Column("needs_attention", Boolean, nullable=False, server_default=text("false")),
    Column("analysis_hash", Text),
    Column("state", JSONB, nullable=False, comment="the review's own state, as its query gives it"),
    Column("version", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Index("review_runs_account", "tenant", "account_id", text("started_at desc")),
    Index("review_runs_newest", "tenant", text("started_at desc"), "run_id"),
    Index("review_runs_owner", "tenant", "owner_id", text("started_at desc")),
    Index("review_runs_status", "tenant", "status", text("started_at desc")),
)

approval_requests = Table(
    "approval_requests",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("run_id", Text, nullable=False),
    Column("review_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("owner_id", Text),
    Column("state", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("deadline", DateTime(timezone=True), nullable=False),
    Column("body", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("approval_requests_open", "tenant", "state", "deadline"),
    Index("approval_requests_run", "run_id"),
)

outcomes = Table(
    "proposal_outcomes",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("change_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("rule", Text, nullable=False),
    Column("recommendation_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("by", Text),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("reason", Text),
    Column("risk_level", Text, nullable=False),
    Column("evidence_hash", Text, nullable=False),
    Index("proposal_outcomes_account", "tenant", "account_id", text("at desc")),
    comment="How each proposed change ended; the next review reads it.",
)

baselines = Table(
    "account_baselines",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("snapshot_hash", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("risk_score", Integer),
    Column("risk_level", Text, nullable=False),
    Column("taken_at", DateTime(timezone=True), nullable=False),
    comment="What the next review compares with; committed only with a review's result.",
)
