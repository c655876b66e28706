"""The table of the account memory, in the schema `reviews`."""

from sqlalchemy import (
    Column,
    DateTime,
    FetchedValue,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

metadata = MetaData(schema="reviews")

memory_items = Table(
    "memory_items",
    metadata,
    Column("id", Uuid, primary_key=True, comment="from the tenant, the key and the ordinal"),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text),
    Column("body", Text, nullable=False),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("valid_from", DateTime(timezone=True)),
    Column("valid_to", DateTime(timezone=True)),
    Column("source_system", Text, nullable=False),
    Column("source_record_id", Text),
    Column("source_url", Text),
    Column("attributes", JSONB, nullable=False),
    Column("visibility", Text, nullable=False),
    Column("language", Text, nullable=False, comment="a dictionary of PostgreSQL, else simple"),
    Column("idempotency_key", Text, nullable=False),
    Column("ordinal", Integer, nullable=False, comment="place within its key"),
    Column("recorded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column(
        "search", TSVECTOR, FetchedValue(), nullable=False, comment="generated, see 0003_memory"
    ),
    UniqueConstraint("tenant", "idempotency_key", "ordinal"),
)
