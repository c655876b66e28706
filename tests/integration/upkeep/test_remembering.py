"""What reviews want remembered: saved with their end, delivered apart from them, once."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.errors import BadInputError
from account_reviews.domain.memory import MemoryItem, MemoryKind
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.review.phases import Outcome
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.protocol import MemoryRef, RecallQuery
from account_reviews.store.memory_outbox import MemoryOutbox
from account_reviews.store.reviews import ReviewStore
from account_reviews.upkeep.jobs import Tools
from account_reviews.upkeep.jobs import memory as memory_job
from account_reviews.upkeep.purge import purge
from account_reviews.upkeep.remembering import Remembering, deliver
from tests.support.schedules import Place
from tests.support.waiting import until
from tests.support.world import World, create_task, decision, make_world
from workflows.account_review import AccountReviewWorkflow

WEEK = timedelta(days=7)


async def ended(world: World, tenant: str) -> str:
    """The account of a review that was approved and is closed."""
    world.analysis.changes = (create_task(world.account),)
    async with world.review(tenant=tenant, memory_patience_seconds=0.5) as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision", decision(request))
        result = await handle.result()
        assert result.outcome is Outcome.COMPLETED
        state = await handle.query(AccountReviewWorkflow.snapshot)
    await world.store.save(state)  # a save that runs twice puts nothing in twice
    return state.run_id


async def remembered(world: World, tenant: str) -> list[MemoryKind]:
    hits = await world.memory.recall(RecallQuery(account_id=world.account.id, tenant=tenant))
    return sorted(hit.kind for hit in hits)


async def test_a_review_ends_and_is_saved_while_the_memory_is_away(world: World) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    outbox = MemoryOutbox(world.engine)
    world.memory.available = False
    run_id = await ended(world, tenant)
    query = text("select phase from reviews.review_runs where run_id = :run_id")
    async with world.engine.connect() as connection:
        assert await connection.scalar(query, {"run_id": run_id}) == "completed"
    done = await deliver(outbox, world.memory, tenant)
    assert (done.remembered, done.unavailable) == (0, "The account memory cannot be reached.")
    waiting = await outbox.waiting(tenant)
    assert (waiting.reviews, waiting.reason) == (1, "The account memory cannot be reached.")
    assert (await deliver(outbox, world.memory, tenant)).unavailable is None, "not due again yet"
    world.memory.available = True
    await due_now(world.engine, tenant)
    assert (await deliver(outbox, world.memory, tenant)).remembered == 1
    assert await outbox.waiting(tenant) == (0, None, None)
    assert await remembered(world, tenant) == [MemoryKind.DECISION, MemoryKind.REVIEW]
    await due_now(world.engine, tenant)
    assert (await deliver(outbox, world.memory, tenant)).remembered == 0


async def test_a_worker_delivers_what_it_closes(world: World) -> None:
    tenant = f"t-{uuid4().hex[:8]}"
    remembering = Remembering(MemoryOutbox(world.engine), world.memory, tenant)
    async with remembering.running():
        await ended(world, tenant)
        remembering.wake()
        await until(lambda: remembered(world, tenant))


class Picky(InMemoryMemory):
    """Takes nothing of one account."""

    def __init__(self, not_of: str) -> None:
        super().__init__()
        self._not_of = not_of

    async def remember(
        self, items: tuple[MemoryItem, ...], *, idempotency_key: str, tenant: str | None = None
    ) -> tuple[MemoryRef, ...]:
        if items[0].account_id == self._not_of:
            raise BadInputError("not that account")
        return await super().remember(items, idempotency_key=idempotency_key, tenant=tenant)


async def test_what_the_memory_refuses_holds_up_nothing_else(world: World, place: Place) -> None:
    other = make_world(world.client, world.engine)
    await ended(world, place.tenant)
    await ended(other, place.tenant)
    memory = Picky(not_of=world.account.id)
    store = ReviewStore(world.engine)
    now = datetime.now(UTC)
    tools = Tools(
        place.client,
        world.engine,
        store,
        place.runs,
        Policy(),
        place.tenant,
        now,
        memory=memory,
    )
    report = await memory_job(tools)
    assert (report.summary, report.changed) == ("remembered 1 reviews, 1 were not taken", 1)
    assert await refused(world.engine, place.tenant) == (1, "not that account")
    later = now + 2 * WEEK
    await purge(world.engine, Policy(), place.tenant, actor="ann", now=later)
    assert await refused(world.engine, place.tenant) == (1, "not that account")
    assert await rows(world.engine, place.tenant) == 1, "what was delivered goes with its review"


async def refused(engine: AsyncEngine, tenant: str) -> tuple[int, str | None]:
    waiting = await MemoryOutbox(engine).waiting(tenant)
    return waiting.reviews, waiting.reason


async def due_now(engine: AsyncEngine, tenant: str) -> None:
    statement = "update reviews.memory_outbox set next_at = now() where tenant = :tenant"
    async with engine.begin() as connection:
        await connection.execute(text(statement), {"tenant": tenant})


async def rows(engine: AsyncEngine, tenant: str) -> int:
    query = text("select count(*) from reviews.memory_outbox where tenant = :tenant")
    async with engine.connect() as connection:
        return int(await connection.scalar(query, {"tenant": tenant}) or 0)
