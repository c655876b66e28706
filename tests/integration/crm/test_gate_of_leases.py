"""The kill switch against writes that go on after the gate was passed, as those over HTTP do."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.bootstrap import Parts
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.errors import CrmUnavailableError, WritesHaltedError
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.services.halts import release_all, stop_all
from account_reviews.store.operation_rows import Intent
from tests.support.crm import change
from tests.support.crm_loading import sample
from tests.support.forgetful_crm import ForgetfulCrm
from tests.support.waiting import until

NOTE = change(Action.ADD_NOTE, {"content": "written by a test"})
MANY = 24
"""More than our pool has connections."""


def silent(_: str) -> None:
    """Nobody listens."""


class SlowCrm(ForgetfulCrm):
    """No write ends before it is let go."""

    def start(self) -> "SlowCrm":
        super().start()
        self.go, self.entered = asyncio.Event(), 0
        return self

    async def apply(
        self, change: ProposedChange, *, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        self.entered += 1
        await self.go.wait()
        return await super().apply(
            change, expected_version=expected_version, operation_id=operation_id
        )


def writer_to(crm: ForgetfulCrm, parts: Parts) -> CrmWriter:
    return CrmWriter(crm, parts.operations, parts.halts.gate)


async def write(writer: CrmWriter, parts: Parts, operation: str) -> ApplyResult:
    return await writer.apply(
        NOTE, tenant=parts.settings.tenant, expected_version=None, operation_id=operation
    )


async def test_slow_writes_hold_no_connection_and_are_waited_for(parts: Parts) -> None:
    crm = SlowCrm([sample()]).start()
    writer, run = writer_to(crm, parts), uuid4()
    begun = [asyncio.ensure_future(write(writer, parts, f"{run}:{n}")) for n in range(MANY)]

    async def all_entered() -> bool:
        return crm.entered == MANY

    await until(all_entered)
    assert parts.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await parts.halts.writers_left(parts.settings.tenant) == MANY
    stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))

    async def in_force() -> bool:
        return await parts.halts.current(parts.settings.tenant) is not None

    await until(in_force)
    with pytest.raises(WritesHaltedError):
        await write(writer, parts, f"{run}:late")
    assert not stopping.done()
    crm.go.set()
    assert {one.status for one in await asyncio.gather(*begun)} == {"applied"}
    standing = await stopping
    assert (standing.writes_waited, standing.writes_unknown) == (MANY, 0)
    assert len(crm.committed) == MANY


async def test_a_killed_workers_write_is_waited_for_until_its_lease_is_over(
    parts: Parts, engine: AsyncEngine
) -> None:
    intent = Intent(f"{uuid4()}:x", parts.settings.tenant, NOTE, None)
    async with parts.operations.transaction() as connection:
        await parts.operations.begin(connection, intent, lease_seconds=600)
    stopping = asyncio.ensure_future(stop_all(parts, "ann", "bad data", notify=silent))

    async def in_force() -> bool:
        return await parts.halts.current(parts.settings.tenant) is not None

    await until(in_force)
    assert not stopping.done()
    over = "update reviews.crm_operations set lease_until = now() where operation_id = :id"
    async with engine.begin() as connection:
        await connection.execute(text(over), {"id": intent.operation_id})
    standing = await stopping
    assert standing.halted
    assert (standing.writes_waited, standing.writes_unknown) == (1, 1)
    assert standing.document()["writes_unknown"] == 1


class Watched(ForgetfulCrm):
    """Takes its time, and loses answers. Nothing may be written while it is `stopped`."""

    def seeded(self, seed: int) -> "Watched":
        self.chance, self.stopped, self.over, self.refused = Random(seed), False, False, 0
        return self

    async def _commit(
        self, change: ProposedChange, expected_version: str | None, operation_id: str
    ) -> ApplyResult:
        await asyncio.sleep(self.chance.random() / 50)
        assert not self.stopped, "written after everything was stopped"
        return await super()._commit(change, expected_version, operation_id)

    def beyond(self, *, committed: int = 0, refused: int = 0) -> Callable[[], Awaitable[bool]]:
        """Whether there are so many more than now."""
        least = len(self.committed) + committed, self.refused + refused

        async def ask() -> bool:
            return len(self.committed) >= least[0] and self.refused >= least[1]

        return ask

    async def write_on(self, parts: Parts, name: str) -> None:
        """As a worker does, until it is over."""
        writer, number = writer_to(self, parts), 0
        while not self.over:
            if self.chance.random() < 0.3:
                self.fates.append(self.chance.choice(("lost before", "lost after")))
            try:
                await write(writer, parts, f"{name}:{number}")
                number += 1
            except WritesHaltedError:
                self.refused += 1
                await asyncio.sleep(0.01)
            except CrmUnavailableError:
                continue


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_is_written_after_a_stop_has_returned(parts: Parts, seed: int) -> None:
    """Writers of several workers that lose answers, and somebody who stops and releases."""
    crm = Watched([sample()]).start()
    assert isinstance(crm, Watched)
    crm.seeded(seed)

    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(crm.write_on(parts, f"{uuid4()}"))
        for _ in range(4):
            await until(crm.beyond(committed=8))
            await stop_all(parts, "ann", "bad data", notify=silent)
            crm.stopped = True
            written = len(crm.committed)
            await until(crm.beyond(refused=12))
            assert len(crm.committed) == written
            crm.stopped = False
            await release_all(parts, "bob", "all is well")
        crm.over = True
    assert len(crm.committed) == len(set(crm.committed))
