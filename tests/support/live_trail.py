"""A trail in a database of its own, and workers whose runs it is notified of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.audit.capture.workflow_runner import Moved, Observer, TapRunner
from account_reviews.audit.event_rows import event_of
from account_reviews.audit.history.exporter import Exporter
from account_reviews.audit.history.reader import HistoryReader
from account_reviews.audit.history.reconciler import Reconciled, Reconciler
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.domain.audit.redaction import Rules
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.addresses import asyncpg_dsn
from account_reviews.store.database import create_engine
from account_reviews.temporal.sandbox import sandboxed_runner
from tests.support.waiting import PATIENCE, until
from tests.support.world import World, make_world

RULES = Rules()


@dataclass
class Watcher:
    """What the tap notifies of."""

    exporter: Exporter | None = None
    moves: list[tuple[str, Moved]] = field(default_factory=list)
    refusals: int = 0
    failures: int = 0
    """Times the exporter had to begin again."""

    def moved(self, workflow_id: str, run_id: str, moved: Moved) -> None:
        self.moves.append((run_id, moved))
        if self.exporter is not None:
            self.exporter.moved(workflow_id, run_id, moved)

    def refused(self, info: object, act: object, completion: object) -> None:
        self.refusals += 1


@dataclass
class Trail:
    """A world with a trail in a database of its own."""

    world: World
    engine: AsyncEngine
    name: str
    admin: str

    @property
    def client(self) -> Client:
        return self.world.client

    def reconciler(self) -> Reconciler:
        return Reconciler(self.client, self.engine, self.world.engine, RULES)

    async def reconcile(self, **options: Any) -> Reconciled:
        given = {"now": datetime.now(UTC), "settle": 0, **options}
        return await self.reconciler().full(**given)

    @asynccontextmanager
    async def worker(self, *observers: Observer) -> AsyncIterator[Watcher]:
        """A worker whose runs are exported, as long as it lives."""
        exporter = Exporter(HistoryReader(self.client, RULES), self.engine)
        exporter.start()
        watcher = Watcher(exporter)
        task = asyncio.create_task(self._keep(exporter, watcher))
        runner = TapRunner(sandboxed_runner(), watcher, observers)
        async with self.world.worker(workflow_runner=runner):
            yield watcher
        task.cancel()
        await asyncio.wait({task})
        assert await exporter.flush(PATIENCE)

    async def _keep(self, exporter: Exporter, watcher: Watcher) -> None:
        while True:
            try:
                await exporter.run()
            except (OSError, Exception):  # noqa: BLE001  as the worker does: tried again
                watcher.failures += 1
                await asyncio.sleep(0.2)

    async def rows(self, run_id: str) -> list[AuditEvent]:
        query = "select * from audit.audit_events where run_id = :run and source = 'history'"
        async with self.engine.connect() as connection:
            found = await connection.execute(text(f"{query} order by at, seq"), {"run": run_id})
            return [event_of(dict(row)) for row in found.mappings()]

    async def numbers(self, run_id: str) -> list[int]:
        """The events that have a row, in order, with repetitions."""
        return sorted(int(row.event_id.rpartition("/")[2]) for row in await self.rows(run_id))

    async def execute(self, *statements: str, **values: Any) -> None:
        """As the owner, for whom no trigger fires."""
        async with self.engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))
            for statement in statements:
                await connection.execute(text(statement), values)

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """Nobody can connect to the audit database, and who was is thrown out."""
        connection = await asyncpg.connect(self.admin)
        try:
            await connection.execute(f"alter database {self.name} allow_connections false")
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
                self.name,
            )
            yield
        finally:
            await connection.execute(f"alter database {self.name} allow_connections true")
            await connection.close()


@asynccontextmanager
async def open_trail(
    client: Client, engine: AsyncEngine, postgres: EmbeddedPostgres, template: str
) -> AsyncIterator[Trail]:
    """A world whose trail is in a database of its own, and a server on which nothing else runs."""
    await until(lambda: _ended(client))
    name = f"trail_{uuid4().hex[:8]}"
    postgres.create_database(name, template=template)
    audit = create_engine(postgres.url(name), application_name="tests")
    yield Trail(make_world(client, engine), audit, name, asyncpg_dsn(postgres.url("postgres")))
    await audit.dispose()


async def _ended(client: Client) -> bool:
    """Terminate what other tests left: its timers would write events in the middle of a pass."""
    left = [one async for one in client.list_workflows("ExecutionStatus = 'Running'")]
    for one in left:
        with suppress(RPCError):  # it has ended, and is listed a moment longer
            await client.get_workflow_handle(one.id, run_id=one.run_id).terminate("left by a test")
    return not left


async def length(trail: Trail, workflow_id: str, run_id: str) -> int:
    handle = trail.client.get_workflow_handle(workflow_id, run_id=run_id)
    return len((await handle.fetch_history()).events)


def at_least(trail: Trail, run_id: str, events: int) -> Callable[[], Awaitable[bool]]:
    async def enough() -> bool:
        return len(await trail.rows(run_id)) >= events

    return enough
