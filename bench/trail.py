"""What the benchmarks of the audit trail share: a steady load, and the trail against histories."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client, WorkflowExecution, WorkflowFailureError
from temporalio.service import RPCError

from account_reviews.audit.history.reconciler import WORKFLOW_TYPES, Reconciled, Reconciler
from account_reviews.domain.audit.redaction import rules_of
from account_reviews.domain.errors import CrmUnavailableError, ReviewsError
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import Execution
from account_reviews.store.database import reachable
from bench.common import Bench
from bench.driving import Approver, Handle, approve, start

_LOOK_EVERY = 0.05
_AT_ONCE = 8

OPEN_STARTS = text(
    "select count(*) from audit.audit_events s where source = 'attempt' "
    "and event_id like '%/start' and not exists (select from audit.audit_events e "
    "where e.event_id = left(s.event_id, -5) || 'end')"
)
IDS_OF = text("select event_id from audit.audit_events where run_id = :run and source = 'history'")
RUNS = text("select distinct run_id from audit.audit_events where source = 'history'")
ROWS = text("select source, count(*) as rows from audit.audit_events group by source")


@dataclass(frozen=True)
class Reviewed:
    """One review of a steady load; times of the machine's clock in seconds."""

    began: float
    seconds: float
    outcome: str

    @property
    def failed(self) -> bool:
        return self.outcome.startswith("failed")


class PatientApprover(Approver):
    """Approves as `Approver` does, and goes on when the database or Temporal is away."""

    async def _work(self) -> None:
        while True:
            try:
                async with reachable():
                    fresh = await self._fresh()
                tries = (approve(self.client, request) for request in fresh)
                answers = await asyncio.gather(*tries, return_exceptions=True)
                for request, answer in zip(fresh, answers, strict=True):
                    if isinstance(answer, RPCError):
                        self.approved.discard(request.request_id)
            except (OSError, ReviewsError):
                await asyncio.sleep(_LOOK_EVERY)
            await asyncio.sleep(_LOOK_EVERY)


async def review(bench: Bench, account: Account, execution: Execution) -> Reviewed:
    """Start a review, also when the database is away for a moment, and wait for its end."""
    began = time.time()
    while True:
        try:
            handle: Handle = await start(bench, account, execution)
            break
        except (OSError, CrmUnavailableError):
            await asyncio.sleep(_LOOK_EVERY)
    try:
        outcome = (await handle.result()).outcome.value
    except WorkflowFailureError as error:
        outcome = f"failed: {error.cause}"
    return Reviewed(began, time.time() - began, outcome)


async def steady(
    bench: Bench,
    accounts: Iterable[Account],
    execution: Execution,
    per_second: float,
) -> list[Reviewed]:
    """Start reviews at a steady rate, and wait until all of them have ended."""
    loop = asyncio.get_running_loop()
    due, running = loop.time(), list[asyncio.Task[Reviewed]]()
    for account in accounts:
        await asyncio.sleep(max(0.0, due - loop.time()))
        due += 1 / per_second

        running.append(asyncio.create_task(review(bench, account, execution)))
    return list(await asyncio.gather(*running))


async def one_after_another(
    bench: Bench, accounts: Iterable[Account], execution: Execution, *, in_flight: int
) -> list[Reviewed]:
    """Review each account to its end, `in_flight` at a time."""
    waiting, done = iter(accounts), list[Reviewed]()

    async def some() -> None:
        for account in waiting:
            done.append(await review(bench, account, execution))

    await asyncio.gather(*(some() for _ in range(in_flight)))
    return done


@dataclass
class Check:
    """The trail against every history there is."""

    runs: int = 0
    events: int = 0
    stored: int = 0
    missing: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    open_starts: int = 0

    def add(self, prefix: str, events: Iterable[int], stored: Sequence[str]) -> None:
        """One run: the numbers of its events, and the ids of its rows."""
        expected, found = {f"{prefix}/{number}" for number in events}, set(stored)
        self.runs += 1
        self.events += len(expected)
        self.stored += len(expected & found)
        self.missing += sorted(expected - found)
        self.extra += sorted(found - expected)
        self.twice += sorted({one for one in stored if stored.count(one) > 1})

    @property
    def share(self) -> float:
        return 100 * self.stored / self.events if self.events else 0.0


async def check(client: Client, engine: AsyncEngine) -> Check:
    """Ask for every history, event by event. Nothing of the exporter is used."""
    listed = f"WorkflowType in ({', '.join(repr(name) for name in WORKFLOW_TYPES)})"
    runs = [run async for run in client.list_workflows(listed)]
    found, gate = Check(), asyncio.Semaphore(_AT_ONCE)

    async def one(run: WorkflowExecution) -> None:
        async with gate:
            history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            async with engine.connect() as connection:
                ids = (await connection.execute(IDS_OF, {"run": run.run_id})).scalars().all()
        numbers = [event.event_id for event in history.events]
        found.add(f"{client.namespace}/{run.id}/{run.run_id}", numbers, ids)

    await asyncio.gather(*(one(run) for run in runs))
    async with engine.connect() as connection:
        known = set((await connection.execute(RUNS)).scalars())
        found.extra += [f"run {one}" for one in known - {run.run_id for run in runs}]
        found.open_starts = await connection.scalar(OPEN_STARTS) or 0
    return found


async def reconcile(bench: Bench, engine: AsyncEngine) -> Reconciled:
    """As `reviews audit reconcile` does."""
    rules = rules_of(bench.parts.policy)
    reconciler = Reconciler(bench.client, engine, bench.parts.engine, rules)
    return await reconciler.full(now=datetime.now(UTC))


async def rows_of(engine: AsyncEngine) -> dict[str, int]:
    """How many rows of each source the trail has."""
    async with engine.connect() as connection:
        return {row.source: row.rows for row in await connection.execute(ROWS)}


@asynccontextmanager
async def beside(work: asyncio.Task[None]) -> AsyncIterator[None]:
    """Let a task go on meanwhile; it is cancelled at the end, and what it raised is raised."""
    try:
        yield
    finally:
        work.cancel()
        await asyncio.wait({work})
    if not work.cancelled():
        work.result()
