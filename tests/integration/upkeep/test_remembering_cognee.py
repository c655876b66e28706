"""What reviews want remembered reaches a Cognee that was away exactly once."""

import asyncio
import json
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.memory import MemoryItem, MemoryKind
from account_reviews.store.memory_outbox import MemoryOutbox
from account_reviews.upkeep.remembering import deliver
from tests.support.cognee import Cognee, cognee, fault
from tests.support.waiting import until

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


async def closed(engine: AsyncEngine, tenant: str, number: int) -> None:
    """So many reviews have ended."""
    statement = text(
        "insert into reviews.memory_outbox (run_id, tenant, account_id, items) "
        "values (:run_id, :tenant, :account_id, cast(:items as jsonb))"
    )
    async with engine.begin() as connection:
        for n in range(number):
            item = MemoryItem.model_validate(
                {
                    "account_id": f"acc-{n}",
                    "kind": MemoryKind.REVIEW,
                    "text": f"review {n}",
                    "occurred_at": AT,
                    "source": {"system": "reviews"},
                }
            )
            values = {
                "run_id": f"{tenant}-{n}",
                "tenant": tenant,
                "account_id": f"acc-{n}",
                "items": json.dumps([item.model_dump(mode="json")]),
            }
            await connection.execute(statement, values)


async def due_again(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("update reviews.memory_outbox set next_at = now()"))
        await connection.execute(text("update reviews.memory_places set claimed_until = now()"))


async def until_delivered(server: Cognee, tenant: str) -> None:
    outbox = MemoryOutbox(server.engine)
    while (await outbox.waiting(tenant)).reviews:
        await due_again(server.engine)
        await deliver(outbox, server.memory(tenant), tenant)


def kept(server: Cognee) -> list[str]:
    return sorted(one.text.splitlines()[0] for one in server.store.documents.values())


async def test_answers_that_are_lost_and_runs_that_fail(engine: AsyncEngine, tenant: str) -> None:
    server = cognee(engine)
    await closed(engine, tenant, 12)
    server.goes_wrong(
        fault("drop_after", "*/remember", times=2),
        fault("commit_late", "*/remember", times=2, delay_ms=20),
        fault("drop_before", "*/remember", times=2),
        fault("status", "*/remember", times=1, status=503),
        fault("status", "*/datasets/status", times=2, status=500),
        fault("malformed", "*/data", times=1),
        fault("element_error", "*/remember", times=2),
    )
    await until_delivered(server, tenant)
    await server.app.finish()
    assert kept(server) == sorted(f"review {n}" for n in range(12))


async def test_a_worker_that_is_killed_in_between(engine: AsyncEngine, tenant: str) -> None:
    server = cognee(engine)
    await closed(engine, tenant, 5)
    outbox = MemoryOutbox(engine)
    for number in range(1, 4):
        working = asyncio.create_task(deliver(outbox, server.memory(tenant), tenant))

        async def taken(wanted: int = number) -> bool:
            return len(server.store.documents) >= wanted

        await until(taken)
        working.cancel()
        await asyncio.wait([working])
        await due_again(engine)
    await until_delivered(server, tenant)
    assert kept(server) == sorted(f"review {n}" for n in range(5))


async def test_two_workers_at_once(engine: AsyncEngine, tenant: str) -> None:
    server = cognee(engine)
    await closed(engine, tenant, 8)
    outbox = MemoryOutbox(engine)
    pairs = [(server.memory(tenant), server.memory(tenant)) for _ in range(2)]
    await asyncio.gather(*(deliver(outbox, one, tenant) for pair in pairs for one in pair))
    assert kept(server) == sorted(f"review {n}" for n in range(8))
    assert server.asked("/api/v1/remember") == 8
