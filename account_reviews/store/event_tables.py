"""The tables of what a CRM says has changed."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

metadata: Final = MetaData(schema="reviews")

webhook_keys = Table(
    "webhook_keys",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("source", Text, primary_key=True, comment="zoho hubspot crm poll"),
    Column("key", Text, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("webhook_keys_seen", "tenant", "seen_at"),
    comment="What came in already: a repeat is not taken again",
)

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("source", Text, nullable=False, comment="zoho hubspot crm poll"),
    Column("key", Text, nullable=False, comment="of the request it came with"),
    Column("record_type", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("action", Text, nullable=False, comment="created updated deleted restored merged"),
    Column("account_id", Text, comment="null until the CRM said whose record it is"),
    Column("occurred_at", DateTime(timezone=True), comment="by the clock of the CRM"),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("state", Text, nullable=False, server_default=text("'new'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("outcome", Text, comment="what became of it, once it is done"),
    Column("error", Text),
    Column("ended_at", DateTime(timezone=True)),
    Index("webhook_events_new", "tenant", "next_at", "id", postgresql_where=text("state = 'new'")),
    Index(
        "webhook_events_waiting",
        "tenant",
        "account_id",
        "id",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "webhook_events_ended",
        "tenant",
        "ended_at",
        postgresql_where=text("ended_at is not null"),
    ),
    Index("webhook_events_dead", "tenant", "id", postgresql_where=text("state = 'dead'")),
    comment="What the CRM says has changed, record by record",
)

event_accounts = Table(
    "event_accounts",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("due_at", DateTime(timezone=True), comment="null: nothing waits"),
    Column("handling_id", Text, comment="of what is being done, so that a repeat is the same"),
    Column("handling_until", BigInteger, comment="the newest event that it is about"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("handled_at", DateTime(timezone=True)),
    Column("watched_run_id", Text, comment="the review that was asked to read again"),
    Column("watched_snapshot", Text, comment="what it had read before"),
    Index("event_accounts_due", "tenant", "due_at", postgresql_where=text("due_at is not null")),
    comment="When an account whose events wait is looked at next",
)

poll_cursors = Table(
    "poll_cursors",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("until_at", DateTime(timezone=True), nullable=False),
    Column("polled_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("found", Integer, nullable=False, server_default=text("0")),
    comment="Up to when the CRM was asked what has changed",
)
