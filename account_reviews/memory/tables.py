"""The tables of the account memory, in the schema `reviews`."""

from sqlalchemy import (
    Column,
    DateTime,
    FetchedValue,
    ForeignKey,
    Index,
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

memory_datasets = Table(
    "memory_datasets",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("service", Text, primary_key=True, comment="the address of a memory elsewhere"),
    Column("dataset_id", Text, nullable=False),
    Column("noted_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    comment="The dataset of a tenant in a memory elsewhere",
)

memory_places = Table(
    "memory_places",
    metadata,
    Column("item_id", Uuid, ForeignKey(memory_items.c.id, ondelete="cascade"), primary_key=True),
    Column("dataset_id", Text, nullable=False),
    Column("data_id", Text),
    Column("state", Text, nullable=False, comment="sent processing stored"),
    Column("claimed_until", DateTime(timezone=True), comment="somebody hands it over"),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("memory_places_data", "data_id"),
    comment="Where the items of the account memory lie in a memory elsewhere",
)
