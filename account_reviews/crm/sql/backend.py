"""A CRM in PostgreSQL: filled from CSV files, read and written by reviews."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from typing import Final, Self

from pydantic import ValidationError
from sqlalchemy import ARRAY, RowMapping, Text, cast, desc, exists, func, null, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.crm.gate import WriteGate
from account_reviews.crm.protocol import (
    AccountFilter,
    AccountPage,
    Belonging,
    Capabilities,
    Wanted,
)
from account_reviews.crm.record_writes import wire
from account_reviews.crm.sql.accounts import CAPABILITIES
from account_reviews.crm.sql.ledgers import CrmNotes, Notes, OurNotes
from account_reviews.crm.sql.ownership import CLAIM, OWNER, refuse_others
from account_reviews.crm.sql.reads import read_snapshots
from account_reviews.crm.sql.rows import LIST_ACCOUNTS, Links, list_values, page_of
from account_reviews.crm.sql.tables import TABLES, accounts, owners
from account_reviews.crm.sql.writes import apply_change
from account_reviews.domain.backends import Health
from account_reviews.domain.base import Scalar, Timestamp, first_fault
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmAuthError,
    CrmError,
    CrmInvalidError,
    CrmPermissionError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.ids import DEFAULT_TENANT
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import (
    AccountSnapshot,
    Owner,
    RecordRef,
    RecordType,
    SnapshotLimits,
)
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.database import autocommit, reachable, sqlstate_of
from account_reviews.store.operation_rows import Intent
from account_reviews.store.statements import reason

_LIST_ACCOUNTS: Final = text(LIST_ACCOUNTS)
_NO_RIGHT: Final = "42501"
"""SQLSTATE: insufficient privilege."""


class SqlCrm:
    """`CrmBackend` on the schema `crm` of a database.

    `url_template` makes links, for example `https://crm.example.com/{type}/{id}`. Without a
    connection every call raises CrmUnavailableError.
    """

    _is_ours = False
    """Whether it is our own database, without which nothing goes on anyway."""
    _notes: Notes = CrmNotes()

    def __init__(self, engine: AsyncEngine, url_template: str | None = None) -> None:
        self._engine = engine
        self._autocommit = autocommit(engine)
        self._committed = engine.execution_options(isolation_level="READ COMMITTED")
        self._links = Links(url_template)
        self._tenant: str | None = None
        self._known: set[str] = set()

    def of(self, tenant: str | None) -> Self:
        """The same CRM, asked for that tenant. Its first write makes it the tenant's."""
        asked = copy(self)
        asked._tenant = tenant  # noqa: SLF001  a copy of ourselves
        return asked

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        """What the database refuses is said as what it is; all that may heal is an outage.

        CrmAuthError, CrmPermissionError, CrmUnreadableError, CrmUnavailableError.
        """
        try:
            async with reachable(CrmUnavailableError):
                yield
        except CrmUnavailableError as error:
            login_refused = sqlstate_of(error).startswith("28")
            if login_refused and not self._is_ours:
                raise CrmAuthError(f"the CRM refuses our login: {error.message}") from error
            raise
        except ValidationError as error:
            raise CrmUnreadableError(
                f"the CRM holds a record that cannot be read: {first_fault(error)}"
            ) from error
        except DBAPIError as error:
            if sqlstate_of(error) != _NO_RIGHT:
                raise
            raise CrmPermissionError(
                f"the CRM denies us this: {reason(error.orig or error)}"
            ) from error

    async def list_accounts(
        self, where: AccountFilter, *, cursor: str | None = None, limit: int = 200
    ) -> AccountPage:
        """Accounts ordered by id; the cursor is the last id of the page before."""
        values = list_values(where, cursor, limit)
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            found = (await connection.execute(_LIST_ACCOUNTS, values)).mappings()
        return page_of([dict(row) for row in found], limit, self._links)

    async def has_owner(self, owner: str, *, by_name: bool = False) -> bool:
        """Whether there is an owner of that id, with `by_name` also of exactly that name."""
        is_one = owners.c.id == owner
        query = select(exists().where(or_(is_one, owners.c.name == owner) if by_name else is_one))
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            return bool(await connection.scalar(query))

    async def find_owner(self, owner: str) -> Owner | None:
        """The owner of that id, else the only one of exactly that name."""
        fields = [owners.c[name] for name in ("id", "name", "email", "active", "manager_id")]
        wanted = or_(owners.c.id == owner, owners.c.name == owner)
        version = cast(owners.c.version, Text).label("version")
        query = select(*fields, version).where(wanted).order_by(desc(owners.c.id == owner)).limit(2)
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            rows = (await connection.execute(query)).mappings().all()
            everybody = [Owner.model_validate(dict(row)) for row in rows]
        found = [one for one in everybody if one.id == owner] or everybody
        return found[0] if len(found) == 1 else None

    async def snapshot(
        self, account_id: str, *, as_of: Timestamp, limits: SnapshotLimits
    ) -> AccountSnapshot:
        """Everything of one account, read at one moment. AccountNotFoundError.

        What was created or happened after `as_of` is not shown; values that were overwritten
        since are not brought back. Tasks are shown whenever they were made.
        """
        found = await self.snapshots((account_id,), as_of=as_of, limits=limits)
        if account_id not in found:
            raise AccountNotFoundError(f"the CRM has no account {account_id!r}")
        return found[account_id]

    async def snapshots(
        self, account_ids: Sequence[str], *, as_of: Timestamp, limits: SnapshotLimits
    ) -> dict[str, AccountSnapshot]:
        """The snapshots of many accounts in one statement."""
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            return await read_snapshots(connection, account_ids, as_of, limits, self._links)

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        """Write `change.after` once per operation id.

        The ledger row and the write are one transaction; a conflict leaves neither. A created
        record has an id made from the operation id. CrmInvalidError, CrmRecordNotFoundError.
        """
        wanted = Intent(operation_id, self._tenant or DEFAULT_TENANT, change, expected_version)
        async with self._write() as connection:
            return await self._apply(connection, wanted)

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        """One transaction."""
        async with self._answering(), self._committed.connect() as connection:
            async with connection.begin():
                if self._tenant is not None and self._tenant not in self._known:
                    await connection.execute(text(CLAIM), {"tenant": self._tenant})
                    refuse_others(await connection.scalar(text(OWNER)), self._tenant)
                yield connection

    async def _check_owner(self, connection: AsyncConnection) -> None:
        """Whom it belongs to does not change: once it is the tenant's nobody is asked again."""
        if self._tenant is None or self._tenant in self._known:
            return
        owner = await connection.scalar(text(OWNER))
        refuse_others(owner, self._tenant)
        if owner is not None:
            self._known.add(self._tenant)

    async def _apply(self, connection: AsyncConnection, wanted: Intent) -> ApplyResult:
        result = await apply_change(connection, wanted, self._links, self._notes)
        if result.status == "conflict":
            await connection.rollback()
        return result

    async def find_operations(self, operations: Sequence[Operation]) -> dict[str, ApplyResult]:
        """What the ledger holds of these, once nobody writes under them any more."""
        async with self._answering(), self._committed.begin() as connection:
            await self._check_owner(connection)
            asked = [one.operation_id for one in operations]
            return await self._notes.find_written(connection, asked)

    async def read_back(self, wanted: tuple[Wanted, ...]) -> tuple[dict[str, Scalar] | None, ...]:
        """Fields as they stand now, in order; None for a record that is gone. CrmInvalidError."""
        ids: dict[RecordType, list[str]] = {}
        for one in wanted:
            _check_readable(one)
            ids.setdefault(one.record.type, []).append(one.record.id or "")
        rows: dict[tuple[RecordType, str], RowMapping] = {}
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            for kind, some in ids.items():
                query = select(TABLES[kind]).where(TABLES[kind].c.id == func.any(some))
                for row in (await connection.execute(query)).mappings():
                    rows[kind, row["id"]] = row
        found = (rows.get((one.record.type, one.record.id or "")) for one in wanted)
        return tuple(
            None if row is None else {name: wire(row[name]) for name in one.fields}
            for one, row in zip(wanted, found, strict=True)
        )

    async def accounts_of(self, records: Sequence[RecordRef]) -> tuple[Belonging | None, ...]:
        """Whose each record is, in order; None for one that is gone."""
        ids: dict[RecordType, list[str]] = {}
        for one in records:
            ids.setdefault(one.type, []).append(one.id or "")
        found: dict[tuple[RecordType, str], Belonging] = {}
        async with self._answering(), self._autocommit.connect() as connection:
            await self._check_owner(connection)
            for kind, some in ids.items():
                table = TABLES[kind]
                account = table.c.id if kind is RecordType.ACCOUNT else table.c.get("account_id")
                columns = (table.c.id, table.c.version, null() if account is None else account)
                query = select(*columns).where(table.c.id == func.any(some))
                for id_, version, account_id in await connection.execute(query):
                    found[kind, id_] = Belonging(account_id=account_id, version=str(version))
        return tuple(found.get((one.type, one.id or "")) for one in records)

    async def capabilities(self) -> Capabilities:
        """Version checks, a ledger in the same transaction, bulk and local reads."""
        return CAPABILITIES

    async def health(self) -> Health:
        """Whether the CRM answers, and how many accounts it holds. Never raises for an outage."""
        query = select(func.count()).select_from(accounts)
        try:
            async with self._answering(), self._engine.connect() as connection:
                count = await connection.scalar(query)
                await self._check_owner(connection)
        except CrmError as error:
            return Health(ok=False, detail=error.message, hint=error.hint)
        hint = None if count else "fill it with `reviews crm import`"
        return Health(ok=True, detail=f"the SQL CRM holds {count} accounts", hint=hint)


class OwnSqlCrm(SqlCrm):
    """The SQL CRM in our own database: the gate is asked in the transaction of the write, and the
    write is noted there in our ledger."""

    _is_ours = True
    _notes: Notes = OurNotes()

    async def apply_gated(
        self,
        change: ProposedChange,
        *,
        expected_version: str | None,
        operation_id: str,
        gate: WriteGate,
    ) -> ApplyResult:
        """As `apply`. WritesHaltedError when the gate is shut; then nothing was touched."""
        wanted = Intent(operation_id, self._tenant or DEFAULT_TENANT, change, expected_version)
        async with self._write() as connection, gate.open_for_write(connection):
            return await self._apply(connection, wanted)


def _check_readable(wanted: Wanted) -> None:
    table = TABLES[wanted.record.type]
    for name in wanted.fields:
        if name not in table.c or isinstance(table.c[name].type, ARRAY | JSONB):
            raise CrmInvalidError(f"{wanted.record.type} has no field {name!r}", field=name)
