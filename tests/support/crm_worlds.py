"""CRMs that the contract suite runs against: each can be filled, and disturbed from outside.

Whoever writes a CRM gives the suite one of these: `pytest --crm-backend module:factory`.
"""

import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, cast

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.errors import CrmUnavailableError
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import AccountSnapshot, Owner, RecordType
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.database import create_engine
from examples.backends.tiny_service import world as tiny_world
from tests.support.crm_loading import load
from tests.support.hubspot import hubspot_world
from tests.support.zoho_world import zoho_world


class CrmWorld(Protocol):
    """A CRM and the world around it."""

    @property
    def backend(self) -> CrmBackend:
        """The CRM as a worker has it, for the tenant `default`."""
        ...

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        """Make it hold these records and nothing else; gives our ids -> its ids, where they differ.

        Record ids of the snapshots are unique over all types. What the CRM has no field for, such
        as histories, may be left out: the suite asks `capabilities` first.
        """
        ...

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        """Somebody else changes a record, by the names of our fields and the CRM's id."""
        ...

    async def remove(self, kind: RecordType, record_id: str) -> None:
        """Somebody else deletes a record."""
        ...

    async def lose_answer(self, *, committed: bool) -> None:
        """The answer to the next write is lost, after it was made or before."""
        ...

    async def disconnect(self) -> None:
        """From now on nothing is answered."""
        ...


WorldFactory = Callable[[], AbstractAsyncContextManager[CrmWorld]]


class LosingAnswers:
    """A CRM in front of which one answer can be lost, and the line be cut."""

    def __init__(self, crm: CrmBackend) -> None:
        self._crm = crm
        self._lose: list[bool] = []
        self.connected = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._crm, name)

    def lose(self, *, committed: bool) -> None:
        """Of the next write."""
        self._lose.append(committed)

    def of(self, tenant: str | None) -> "LosingAnswers":
        self._crm = self._crm.of(tenant)
        return self

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        lost = self._lose.pop() if self._lose else None
        if lost is not False:
            result = await self._crm.apply(
                change, expected_version=expected_version, operation_id=operation_id
            )
        if lost is not None:
            raise CrmUnavailableError("the CRM did not answer in time")
        return result


class InMemoryWorld:
    """The CRM of tests."""

    def __init__(self) -> None:
        self._crm = InMemoryCrm()
        self._losing = LosingAnswers(self._crm)

    @property
    def backend(self) -> CrmBackend:
        return cast("CrmBackend", self._losing)

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        self._crm = InMemoryCrm(snapshots, owners=owners, tenant="default")
        self._losing = LosingAnswers(self._crm)
        return {}

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        self._crm.edit(kind, record_id, **fields)

    async def remove(self, kind: RecordType, record_id: str) -> None:
        self._crm.remove(kind, record_id)

    async def lose_answer(self, *, committed: bool) -> None:
        self._losing.lose(committed=committed)

    async def disconnect(self) -> None:
        self._crm.available = False


class SqlWorld:
    """The CRM in a PostgreSQL."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._losing = LosingAnswers(SqlCrm(engine))

    @property
    def backend(self) -> CrmBackend:
        return cast("CrmBackend", self._losing)

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        ordered = sorted(owners, key=lambda one: one.manager_id is not None)
        await load(self._engine, snapshots, owners=ordered)
        self._losing = LosingAnswers(SqlCrm(self._engine))
        return {}

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        table = tables.TABLES[kind]
        changed = table.update().where(table.c.id == record_id)
        async with self._engine.begin() as connection:
            await connection.execute(changed.values(**fields, version=table.c.version + 1))

    async def remove(self, kind: RecordType, record_id: str) -> None:
        table = tables.TABLES[kind]
        async with self._engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))
            await connection.execute(table.delete().where(table.c.id == record_id))

    async def lose_answer(self, *, committed: bool) -> None:
        self._losing.lose(committed=committed)

    async def disconnect(self) -> None:
        nowhere = create_engine("postgresql://nobody@127.0.0.1:1/none", application_name="tests")
        self._losing = LosingAnswers(SqlCrm(nowhere))


@asynccontextmanager
async def in_memory_world() -> AsyncIterator[CrmWorld]:
    yield InMemoryWorld()


def named_factory(name: str) -> WorldFactory:
    """The factory of `module:factory`; a sentence when there is none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--crm-backend {name}: {error}") from error
    if not callable(found):
        raise pytest.UsageError(f"--crm-backend {name}: {attribute} cannot be called")
    return found  # type: ignore[no-any-return]


@asynccontextmanager
async def sql_world(engine: AsyncEngine) -> AsyncIterator[CrmWorld]:
    yield SqlWorld(engine)


sql_world.fixtures = ("engine",)  # type: ignore[attr-defined]

BUILT_IN: dict[str, Callable[..., AbstractAsyncContextManager[CrmWorld]]] = {
    "in_memory": in_memory_world,
    "sql": sql_world,
    "tiny": tiny_world,
    "hubspot": hubspot_world,
    "zoho": zoho_world,
}
"""Every CRM of ours, and the example of docs/backends.md."""
