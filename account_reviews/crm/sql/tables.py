"""The tables of the SQL CRM (schema `crm`). The importer and the backend both follow them.

Every record has a `version` that grows by one with every real change, and the `digest` of the
row it was last imported from, so that importing an equal row again changes nothing.
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from account_reviews.domain.records import RecordType

SCHEMA: Final = "crm"
metadata = MetaData(schema=SCHEMA)

Id: Final = Text(collation="C")
"""Ordered by code point, so that pages of accounts are the same on every server."""
Moment: Final = DateTime(timezone=True)


def _bookkeeping() -> list[Column[Any]]:
    return [
        Column("version", BigInteger, nullable=False, server_default=text("1")),
        Column("digest", Text, nullable=False, server_default=text("''")),
    ]


def _account() -> Column[Any]:
    target = f"{SCHEMA}.accounts.id"
    return Column("account_id", Id, ForeignKey(target, ondelete="CASCADE"), nullable=False)


def _owner(name: str = "owner_id") -> Column[Any]:
    return Column(name, Id, ForeignKey(f"{SCHEMA}.owners.id"))


owners = Table(
    "owners",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("active", Boolean, nullable=False, server_default=true()),
    _owner("manager_id"),
    *_bookkeeping(),
    Index("owners_name", "name"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    _owner(),
    Column("status", Text),
    Column("account_type", Text),
    Column("industry", Text),
    Column("segment", Text),
    Column("website", Text),
    Column("phone", Text),
    Column("billing_city", Text),
    Column("billing_country", Text),
    Column("annual_revenue", Numeric),
    Column("employees", Integer),
    Column("contract_end", Date),
    Column("renewal_date", Date),
    Column("created_at", Moment),
    Column("modified_at", Moment),
    Column("last_activity_at", Moment),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    *_bookkeeping(),
    Index("accounts_owner", "owner_id", "id"),
)

account_owner_changes = Table(
    "account_owner_changes",
    metadata,
    Column(
        "account_id", Id, ForeignKey(f"{SCHEMA}.accounts.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("at", Moment, primary_key=True),
    _owner("previous_owner_id"),
    _owner(),
    comment="Who owned an account before; written by imports and by approved changes",
)

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    _account(),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("phone", Text),
    Column("title", Text),
    Column("level", Text),
    Column("accessible", Boolean),
    Column("alignment", Double),
    Column("is_sponsor", Boolean),
    Column("active", Boolean),
    _owner(),
    Column("created_at", Moment),
    *_bookkeeping(),
    Index("contacts_account", "account_id", text("created_at desc")),
)

deals = Table(
    "deals",
    metadata,
    Column("id", Id, primary_key=True),
    _account(),
    Column("name", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("amount", Numeric),
    Column("probability", Integer),
    Column("closing_date", Date),
    Column("created_at", Moment),
    Column("modified_at", Moment),
    Column("stage_changed_at", Moment),
    _owner(),
    *_bookkeeping(),
    Index("deals_account", "account_id", text("created_at desc")),
)

deal_stage_changes = Table(
    "deal_stage_changes",
    metadata,
    Column("deal_id", Id, ForeignKey(f"{SCHEMA}.deals.id", ondelete="CASCADE"), primary_key=True),
    Column("at", Moment, primary_key=True),
    Column("stage", Text, nullable=False),
)

activities = Table(
    "activities",
    metadata,
    Column("id", Id, primary_key=True),
    _account(),
    Column("type", Text, nullable=False),
    Column("subject", Text),
    Column("description", Text),
    Column("at", Moment, nullable=False),
    Column("created_at", Moment),
    _owner(),
    Column("participants", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("outcome", Text),
    *_bookkeeping(),
    Index("activities_account", "account_id", text("at desc"), "id"),
)

notes = Table(
    "notes",
    metadata,
    Column("id", Id, primary_key=True),
    _account(),
    Column("title", Text),
    Column("content", Text, nullable=False),
    Column("created_at", Moment),
    Column("created_by", Text),
    Column("private", Boolean, nullable=False, server_default=false()),
    *_bookkeeping(),
    Index("notes_account", "account_id", text("created_at desc")),
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Id, primary_key=True),
    _account(),
    Column("subject", Text, nullable=False),
    Column("description", Text),
    Column("due_at", Moment),
    Column("status", Text, nullable=False, server_default=text("'open'")),
    Column("priority", Text),
    _owner(),
    Column("created_at", Moment),
    *_bookkeeping(),
    Index("tasks_account", "account_id", text("created_at desc")),
)

modules = Table(
    "modules",
    metadata,
    Column("name", Text, primary_key=True, comment="a record type this CRM holds"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("as_of", Moment, comment="the moment the files speak of"),
    Column("imported_at", Moment, nullable=False, server_default=func.now()),
)

belongs_to = Table(
    "belongs_to",
    metadata,
    Column(
        "only_one", Boolean, CheckConstraint("only_one"), primary_key=True, server_default=true()
    ),
    Column("tenant", Text, nullable=False),
    Column("since", Moment, nullable=False, server_default=func.now()),
    comment="whose CRM it is",
)

operations = Table(
    "operations",
    metadata,
    Column("operation_id", Text, primary_key=True),
    Column("change_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("record", JSONB),
    Column("before", JSONB),
    Column("after", JSONB, nullable=False),
    Column("result", JSONB, comment="what the first call answered; a repeat answers the same"),
    Column("applied_at", Moment, nullable=False, server_default=func.now()),
    Column("audited_at", Moment, comment="when the audit trail got it"),
    Index("operations_account", "account_id", text("applied_at desc")),
    Index("operations_unaudited", "applied_at", postgresql_where=text("audited_at is null")),
)

TABLES: Final[dict[RecordType, Table]] = {
    RecordType.OWNER: owners,
    RecordType.ACCOUNT: accounts,
    RecordType.CONTACT: contacts,
    RecordType.DEAL: deals,
    RecordType.ACTIVITY: activities,
    RecordType.NOTE: notes,
    RecordType.TASK: tasks,
}
