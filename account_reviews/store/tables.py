"""Our own tables (schema `reviews`): documents, read models, writes, schedule runs, halts."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
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
    Column(
        "erased_at",
        DateTime(timezone=True),
        comment="a person was taken out then: the hash is of what it was before",
    ),
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
    Column("cycle_id", Text, comment="the workflow id of the cycle that started it"),
    Column(
        "agent", Text, nullable=False, server_default=text("'unknown'"), comment="who drives it"
    ),
    Column("purpose", Text, nullable=False, server_default=text("'general'")),
    Column("context", JSONB, nullable=False, server_default=text("'{}'")),
    Column("state", JSONB, nullable=False, comment="the review's own state, as its query gives it"),
    Column("version", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("erased_at", DateTime(timezone=True), comment="a person was taken out of it then"),
    Index("review_runs_cycle", "cycle_id", postgresql_where=text("cycle_id is not null")),
    Index("review_runs_account", "tenant", "account_id", text("started_at desc")),
    Index("review_runs_review", "tenant", "review_id", text("started_at desc")),
    Index("review_runs_newest", "tenant", text("started_at desc"), text("run_id desc")),
    *(
        Index(f"review_runs_{name}", "tenant", name, text("started_at desc"), text("run_id desc"))
        for name in ("phase", "status", "kind", "outcome", "risk_level")
    ),
    Index(
        "review_runs_attention",
        "tenant",
        text("started_at desc"),
        text("run_id desc"),
        postgresql_where=text("needs_attention"),
    ),
    *(
        Index(
            f"review_runs_{name}",
            "tenant",
            text(f"left({name}, 100)"),
            text("started_at desc"),
            text("run_id desc"),
        )
        for name in ("name", "agent", "purpose")
    ),
    Index(
        "review_runs_context",
        "context",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    ),
    Index(
        "review_runs_waiting_on",
        text("(lower(waiting_on::text)::jsonb)"),
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    ),
    Index("review_runs_owner", "tenant", "owner_id", text("started_at desc")),
    Index("review_runs_closed", "closed_at"),
    Index(
        "review_runs_undo",
        text("(state->'undo'->>'run_id')"),
        postgresql_where=text("kind = 'undo'"),
    ),
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
    Column(
        "value",
        Numeric,
        comment="annual revenue of the account, as its review has read it; null: unknown",
    ),
    Index("approval_requests_open", "tenant", "state", "deadline"),
    Index("approval_requests_run", "run_id"),
)

request_numbers = Table(
    "request_numbers",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("number", Integer, nullable=False, comment="the n-th request of the account"),
    Index("request_numbers_account", "tenant", "account_id", "number", unique=True),
    comment="Kept when rows are built anew, so that a number goes on meaning the same",
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
    Column("clock_at", DateTime(timezone=True), comment="`at` by the clock of the rules"),
    Column("on_timeout", Text, comment="what an expired one is taken for, as it was asked"),
    Index("proposal_outcomes_account", "tenant", "account_id", text("at desc")),
    Index("proposal_outcomes_old", "tenant", "at"),
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
    Column("closed_at", DateTime(timezone=True), comment="of its review: the last one counts"),
    comment="What the next review compares with; committed only with a review's result.",
)

cycles = Table(
    "cycles",
    metadata,
    Column("run_id", Text, primary_key=True, comment="first execution run id"),
    Column("cycle_id", Text, nullable=False, comment="workflow id"),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("schedule_id", Text),
    Column("started_by", Text, nullable=False),
    Column("as_of", DateTime(timezone=True), nullable=False),
    Column("scheduled_at", DateTime(timezone=True)),
    Column("late", Boolean, nullable=False, server_default=text("false")),
    Column("accounts", Integer, nullable=False, server_default=text("0")),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("running", Integer, nullable=False, server_default=text("0")),
    Column("waiting", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("joined", Integer, nullable=False, server_default=text("0")),
    Column("missing_sources", JSONB, nullable=False, server_default=text("'[]'")),
    Column("portfolio", JSONB),
    Column("version", BigInteger, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Index("cycles_newest", "tenant", text("started_at desc"), "run_id"),
    Index("cycles_id", "cycle_id", text("started_at desc")),
)

cycle_accounts = Table(
    "cycle_accounts",
    metadata,
    Column("run_id", Text, primary_key=True, comment="of the cycle"),
    Column("account_id", Text, primary_key=True),
    Column("position", Integer, nullable=False, comment="in the order of starting"),
    Column("account_name", Text, nullable=False),
    Column("owner_id", Text),
    Column("risk_level", Text, nullable=False),
    Column("risk_score", Integer),
    Column("snapshot", JSONB, comment="the reference its review is given"),
    Column("state", Text, nullable=False),
    Column("joined", Boolean, nullable=False, server_default=text("false")),
    Column("review_run_id", Text),
    Column("reason", Text),
    Index("cycle_accounts_position", "run_id", "position"),
    Index("cycle_accounts_owner", "run_id", "owner_id", "account_id"),
)

cycle_briefs = Table(
    "cycle_briefs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("owner_id", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

digests = Table(
    "digests",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("owner_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("body", JSONB, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

schedule_runs = Table(
    "schedule_runs",
    metadata,
    Column("id", Text, primary_key=True, comment="first execution run id of what was started"),
    Column("schedule_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("trigger", Text, nullable=False, comment="schedule | trigger | backfill"),
    Column("scheduled_at", DateTime(timezone=True), nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("lateness_seconds", Double, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("status", Text, nullable=False, comment="running success failed cancelled missed"),
    Column("accounts_processed", Integer, nullable=False, server_default=text("0")),
    Column("duration_seconds", Double),
    Column("error", Text),
    Index(
        "schedule_runs_newest", "tenant", "schedule_id", text("started_at desc"), text("id desc")
    ),
)

schedules = Table(
    "schedules",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("schedule_id", Text, primary_key=True),
    Column("schedule_type", Text, nullable=False, comment="daily weekly ... one_time"),
    Column("cron_expression", Text),
    Column("owner_id", Text),
    Column("enabled", Boolean, nullable=False),
    Column("next_run", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("schedules_owner", "owner_id"),
    Index("schedules_next_run", "next_run"),
    comment="Schedules as the server said last",
)

halts = Table(
    "halts",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("released_by", Text),
    Column("released_reason", Text),
    Column("released_at", DateTime(timezone=True)),
    Index("halts_open", "tenant", unique=True, postgresql_where=text("released_at is null")),
    comment="The kill switch: a row that is not released stops writes and starts",
)

admission_tenants = Table(
    "admission_tenants",
    metadata,
    Column("tenant", Text, primary_key=True),
    comment="Locked by whoever takes a place: starters come one after the other",
)

admission = Table(
    "admission",
    metadata,
    Column("reservation_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("run_id", Text, comment="of its review, once that has saved"),
    Column("reserved_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("checked_at", DateTime(timezone=True), comment="when Temporal was asked last"),
    Column("alone_since", DateTime(timezone=True), comment="its starter was found gone then"),
    Index("admission_tenant", "tenant"),
    comment="The places of open interactive reviews; gone with the closing save",
)

audit_outbox = Table(
    "audit_outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("put_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Facts on their way to the audit trail, written with the data they tell of",
)

memory_outbox = Table(
    "memory_outbox",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("items", JSONB, nullable=False),
    Column("put_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("last_error", Text),
    Column("delivered_at", DateTime(timezone=True)),
    Index(
        "memory_outbox_waiting", "tenant", "next_at", postgresql_where=text("delivered_at is null")
    ),
    comment="What closed reviews want remembered, until the memory has it",
)

notification_deliveries = Table(
    "notification_deliveries",
    metadata,
    Column("key", Text, primary_key=True, comment="of notice, channel and recipient"),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="request reminder escalation expired digest"),
    Column("about", Text, nullable=False, comment="a request id, or digest/owner/day"),
    Column("level", Integer, nullable=False, server_default=text("0")),
    Column("channel", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("name", Text),
    Column("run_id", Text),
    Column("review_id", Text),
    Column("account_id", Text),
    Column("state", Text, nullable=False, comment="trying sent failed"),
    Column("attempts", Integer, nullable=False),
    Column("begun_at", DateTime(timezone=True), nullable=False),
    Column("held_until", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("error", Text),
    Index("notification_deliveries_about", "tenant", "about"),
    Index("notification_deliveries_run", "run_id"),
    comment="Who was notified of what by which channel: nobody twice",
)

archives = Table(
    "archives",
    metadata,
    Column("run_id", Text, primary_key=True, comment="first execution run id"),
    Column("hash", Text, nullable=False, comment="SHA-256 of the canonical JSON of the body"),
    Column("review_id", Text, nullable=False),
    Column("workflow_run_id", Text, nullable=False, comment="the run in which it ended"),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("owner_id", Text),
    Column("outcome", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True), nullable=False),
    Column("archived_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("body", JSONB, nullable=False),
    Index("archives_review", "tenant", "review_id", text("started_at desc")),
    Index("archives_account", "tenant", "account_id", text("started_at desc")),
    Index("archives_closed", "tenant", "closed_at"),
    Index("archives_last_run", "workflow_run_id"),
    comment="Closed reviews whose rows are gone, a document each",
)

erasures = Table(
    "erasures",
    metadata,
    Column("erasure_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="account | person"),
    Column("salt", Text, nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("counts", JSONB, nullable=False, server_default=text("'{}'")),
    Column("began_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("ended_at", DateTime(timezone=True), comment="null: a repeat finishes it"),
    Index("erasures_newest", "tenant", text("began_at desc")),
    comment="What was erased at whose wish",
)

erased_runs = Table(
    "erased_runs",
    metadata,
    Column("run_id", Text, primary_key=True, comment="first execution run id"),
    Column("workflow_run_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("erasure_id", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("erased_runs_last_run", "workflow_run_id"),
    comment="Reviews that were erased and are not to come back",
)

crm_operations = Table(
    "crm_operations",
    metadata,
    Column("operation_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("change_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("change", JSONB, comment="as it was sent last; null of releases before, or erased"),
    Column("expected_version", Text),
    Column("begun_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("tried_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("tries", Integer, nullable=False, server_default=text("1")),
    Column("lease_until", DateTime(timezone=True), comment="a try is under way"),
    Column("settled_at", DateTime(timezone=True), comment="null: nobody knows what came of it"),
    Column("record", JSONB),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Column("result", JSONB, comment="what was written; null when settled: nothing"),
    Column("applied_at", DateTime(timezone=True), comment="when it was written"),
    Column("audited_at", DateTime(timezone=True), comment="when the audit trail got it"),
    Column("erased_at", DateTime(timezone=True), comment="its content was taken out then"),
    Index("crm_operations_account", "tenant", "account_id"),
    Index("crm_operations_run", text("split_part(operation_id, ':', 1)")),
    Index(
        "crm_operations_open",
        "tenant",
        "lease_until",
        postgresql_where=text("settled_at is null"),
    ),
    Index(
        "crm_operations_unaudited",
        "applied_at",
        postgresql_where=text("audited_at is null and result is not null"),
    ),
    comment="What was sent to a CRM, noted before the call, and what came of it",
)

crm_ledgers = Table(
    "crm_ledgers",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("place", Text, primary_key=True, comment="the database, without login"),
    Column("since", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="Ledgers of CRMs in other databases whose rows were taken over, and when; the row "
    "without a name: since when this ledger is kept",
)

policy_in_force = Table(
    "policy_in_force",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    comment="What the workers go by; a change of it is told to the audit trail",
)
