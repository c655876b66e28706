"""The tables of syncs of the memory."""

from typing import Final

from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

metadata: Final = MetaData(schema="reviews")
_NONE: Final = text("0")

memory_syncs = Table(
    "memory_syncs",
    metadata,
    Column("sync_id", Text, primary_key=True, comment="first execution run id"),
    Column("tenant", Text, nullable=False),
    Column("type", Text, nullable=False, comment="full incremental on_demand"),
    Column("status", Text, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("changed_since", DateTime(timezone=True)),
    Column("cursor", Text, comment="the last account that was settled"),
    Column("total", Integer, nullable=False, server_default=_NONE),
    Column("done", Integer, nullable=False, server_default=_NONE),
    Column("skipped", Integer, nullable=False, server_default=_NONE),
    Column("failed", Integer, nullable=False, server_default=_NONE),
    Column("reason", Text),
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("finished_at", DateTime(timezone=True)),
    Index("memory_syncs_newest", "tenant", text("started_at desc")),
    comment="Syncs of account snapshots into the memory",
)

memory_sync_accounts = Table(
    "memory_sync_accounts",
    metadata,
    Column(
        "sync_id", Text, ForeignKey(memory_syncs.c.sync_id, ondelete="cascade"), primary_key=True
    ),
    Column("tenant", Text, nullable=False),
    Column("account_id", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="pending done skipped failed"),
    Column("message", Text),
    Index("memory_sync_accounts_left", "sync_id", "state"),
    comment="The accounts of a sync, until it is over",
)

memory_snapshots = Table(
    "memory_snapshots",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("account_id", Text, primary_key=True),
    Column("item_id", Uuid, comment="what the memory holds of the account"),
    Column("checksum", Text),
    Column("sent_checksum", Text, comment="what is under way"),
    Column("synced_at", DateTime(timezone=True)),
    comment="What the memory holds of each account, by checksum",
)
