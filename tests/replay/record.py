"""Record the replay corpus from a real server: `python -m tests.replay.record VERSION`.

Each scenario becomes histories/<Workflow>/<scenario>.<version>.json. Files are append-only: an
existing one is never written again, because workflows with that history may still be open. Beside
each stand the commands that workflow code gave on it (see commands.py).
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import CrmAuthError
from account_reviews.domain.review.approvals import Terms
from account_reviews.domain.review.phases import Phase
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.temporal_server import TemporalServer
from account_reviews.store.database import create_engine
from account_reviews.store.migration import upgrade
from tests.replay.commands import HISTORIES, write_missing
from tests.replay.control import CONTROL_SCENARIOS
from tests.replay.crm_waits import CRM_SCENARIOS
from tests.replay.cycles import CYCLE_SCENARIOS, REVIEWS_OF_CYCLES
from tests.replay.memory_syncs import SYNC_SCENARIOS
from tests.replay.upkeep import UPKEEP_SCENARIOS
from tests.support.world import (
    AS_OF,
    Handle,
    World,
    create_task,
    decision,
    eventually,
    make_world,
    set_status,
)
from workflows.account_review import AccountReviewWorkflow

FOLDER = HISTORIES / "AccountReview"
Scenario = Callable[[World], Awaitable[Handle]]


async def nothing_to_do(world: World) -> Handle:
    async with world.review() as handle:
        await handle.result()
    return handle


async def completed_by_signal(world: World) -> Handle:
    return await _decided(world, "approve", by="signal")


async def completed_by_update(world: World) -> Handle:
    return await _decided(world, "approve", by="update")


async def rejected(world: World) -> Handle:
    return await _decided(world, "reject", by="signal")


async def deferred(world: World) -> Handle:
    return await _decided(world, "defer", by="update")


async def expired(world: World) -> Handle:
    world.analysis.terms = Terms(timeout_seconds=0.3)
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await handle.result()
    return handle


async def cancelled_by_signal(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.signal("cancel_review", {"by": "ann", "reason": "wrong account"})
        await handle.result()
    return handle


async def cancelled_natively(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        await world.request(handle)
        await handle.cancel()
        await _ended(handle)
    return handle


async def failed_no_data(world: World) -> Handle:
    world.account = world.account.model_copy(update={"id": world.account.id + "-missing"})
    async with world.review() as handle:
        await _ended(handle)
    return handle


async def partial_then_adjusted(world: World) -> Handle:
    one, two = create_task(world.account, "One"), create_task(world.account, "Two")
    world.analysis.changes = (one, two)
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.execute_update("decide", decision(request, item_ids=[one.change_id]))
        adjust = {"item_ids": [two.change_id], "changes": {"subject": "Other"}}
        await handle.execute_update("decide", decision(request, "adjust", **adjust))
        await handle.result()
    return handle


async def superseded_then_completed(world: World) -> Handle:
    world.analysis.changes = (set_status(world.account),)
    async with world.review() as handle:
        first = await world.request(handle)
        world.set_status("Onboarding")
        await handle.signal("submit_decision", decision(first))
        second = await world.request(handle, count=2)
        await handle.signal("submit_decision", decision(second))
        await handle.result()
    return handle


async def cancelled_after_a_lost_answer(world: World) -> Handle:
    """The CRM wrote, nobody heard of it, and the review is cancelled: it asks before it ends."""
    world.analysis.changes = (create_task(world.account),)
    async with world.review() as handle:
        request = await world.request(handle)
        world.crm.available = False
        await handle.signal("submit_decision", decision(request))
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.phase is Phase.EXECUTING,
        )
        await handle.signal("cancel_review", {"by": "ann", "reason": "wrong account"})
        await eventually(
            lambda: handle.query(AccountReviewWorkflow.snapshot),
            lambda state: state.timeline[-1].kind == "outcome_unknown",
        )
        world.crm.available = True
        await handle.result()
    return handle


async def duplicate_and_malformed(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account), create_task(world.account, "Two"))
    async with world.review() as handle:
        request = await world.request(handle)
        await handle.signal("submit_decision")
        await handle.signal("submit_decision", args=["one", "two"])
        said = decision(request, item_ids=[world.analysis.changes[0].change_id])
        await handle.signal("submit_decision", said)
        await handle.signal("submit_decision", said)
        await handle.signal("submit_decision", decision(request, "reject", reason="no"))
        await handle.result()
    return handle


async def worker_restarted(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        handle = await world.start()
        request = await world.request(handle)
    await handle.signal("submit_decision", decision(request))
    async with world.worker():
        await handle.result()
    return handle


async def sources_down(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.worker():
        await (await world.start(plan_only=True)).result()
        world.crm.available = world.memory.available = False
        handle = await world.start(give_up_after_seconds=0.5)
        request = await world.request(handle)
        world.crm.available = world.memory.available = True
        await handle.signal("submit_decision", decision(request))
        await handle.result()
    return handle


async def regular_steps(world: World) -> Handle:
    steps = {"crm_reads": "regular", "memory": "regular", "own": "regular"}
    world.execution = world.execution.model_copy(update=steps)
    return await _decided(world, "approve", by="signal")


async def continued_as_new(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(history_limit=30) as handle:
        request = await world.request(handle)
        for number in range(1, 9):
            await handle.signal("submit_decision", {"request_id": "unknown"})
            await eventually(
                lambda: _newest(world, handle).query(AccountReviewWorkflow.snapshot),
                lambda state, number=number: state.counters.malformed >= number,  # type: ignore[misc]
            )
        await _newest(world, handle).signal("submit_decision", decision(request))
        await handle.result()
    return _newest(world, handle)


async def plan_only(world: World) -> Handle:
    world.analysis.changes = (create_task(world.account),)
    async with world.review(plan_only=True) as handle:
        await handle.result()
    return handle


async def read_again_by_signal(world: World) -> Handle:
    """By a later clock, in vain while the CRM is down, and with a reference to nothing."""
    world.analysis.changes = (create_task(world.account), set_status(world.account))
    async with world.review(give_up_after_seconds=1) as handle:
        request = await world.request(handle)

        async def refresh(kind: str, **fields: Any) -> None:
            await handle.signal("refresh", {"by": "ann", **fields})
            await eventually(
                lambda: handle.query(AccountReviewWorkflow.snapshot),
                lambda state: (
                    state.refresh is None
                    and state.phase is Phase.APPROVAL
                    and any(line.kind == kind for line in state.timeline)
                ),
            )

        await refresh("refreshed")
        world.crm.available = False
        await refresh("degraded")
        world.crm.available = True
        gone = {"hash": "0" * 64, "account_name": "", "owner_id": None, "owner_name": None}
        gone["fetched_at"] = rfc3339(AS_OF)
        await refresh("malformed_signal", snapshot_ref=gone)
        await handle.execute_update("decide", decision(request))
        await handle.result()
    return handle


async def login_refused(world: World) -> Handle:
    world.crm.refusal = CrmAuthError("the token was revoked")
    async with world.review() as handle:
        with suppress(WorkflowFailureError):
            await handle.result()
    return handle


SCENARIOS: tuple[Scenario, ...] = (
    nothing_to_do,
    completed_by_signal,
    completed_by_update,
    rejected,
    deferred,
    expired,
    cancelled_by_signal,
    cancelled_natively,
    failed_no_data,
    partial_then_adjusted,
    superseded_then_completed,
    duplicate_and_malformed,
    worker_restarted,
    sources_down,
    regular_steps,
    continued_as_new,
    plan_only,
    cancelled_after_a_lost_answer,
    read_again_by_signal,
    login_refused,
)


RECORDED: dict[str, tuple[Callable[[World], Awaitable[Any]], ...]] = {
    "AccountReview": (*SCENARIOS, *CONTROL_SCENARIOS, *CRM_SCENARIOS, *REVIEWS_OF_CYCLES),
    "ReviewCycle": CYCLE_SCENARIOS,
    "Upkeep": UPKEEP_SCENARIOS,
    "MemorySync": SYNC_SCENARIOS,
}
"""Workflow name -> its scenarios."""


async def _decided(world: World, verdict: str, *, by: str) -> Handle:
    world.analysis.changes = (set_status(world.account), create_task(world.account))
    async with world.review() as handle:
        request = await world.request(handle)
        said = decision(request, verdict, reason="because")
        if by == "signal":
            await handle.signal("submit_decision", said)
        else:
            await handle.execute_update("decide", said)
        await handle.result()
    return handle


async def _ended(handle: Handle) -> None:
    try:
        await asyncio.wait_for(handle.result(), timedelta(seconds=30).total_seconds())
    except WorkflowFailureError:
        return


def _newest(world: World, handle: Handle) -> Handle:
    return world.client.get_workflow_handle_for(AccountReviewWorkflow.run, handle.id)


def tidy(value: Any) -> Any:
    """Without what tells of the machine it was recorded on: paths in traces, identities."""
    if isinstance(value, list):
        return [tidy(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"^\d+@.+-([0-9a-f]{32})$", r"worker@host-\1", value)
    if not isinstance(value, dict):
        return value
    return {
        key: "worker@host" if key == "identity" else tidy(item)
        for key, item in value.items()
        if key != "stackTrace"
    }


@contextmanager
def readable_folder() -> Iterator[Path]:
    """A short path that the user of PostgreSQL can enter."""
    with tempfile.TemporaryDirectory(prefix="reviews-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def targets(version: str) -> Iterator[tuple[Path, Callable[[World], Awaitable[Any]]]]:
    """The file of every scenario of every workflow, and what gives its handle."""
    for name, scenarios in RECORDED.items():
        for scenario in scenarios:
            yield HISTORIES / name / f"{scenario.__name__}.{version}.json", scenario


async def record(version: str) -> None:
    """Run every scenario that has no file of this version yet."""
    with readable_folder() as folder:
        cluster = EmbeddedPostgres(folder / "cluster", durable=False)
        cluster.start()
        cluster.create_database("reviews")
        server = TemporalServer(ui=False)
        await server.start()
        engine = create_engine(cluster.url(), application_name="record")
        try:
            await upgrade(engine)
            client = await Client.connect(server.address, data_converter=pydantic_data_converter)
            for target, scenario in targets(version):
                if target.exists():
                    continue
                handle = await scenario(make_world(client, engine))
                history = json.loads((await handle.fetch_history()).to_json())
                target.write_text(json.dumps(tidy(history), indent=1) + "\n")
                sys.stderr.write(f"recorded {target.name}\n")
        finally:
            await engine.dispose()
            await server.stop()
            cluster.stop()
    await write_missing()


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in RECORDED:
        (HISTORIES / name).mkdir(parents=True, exist_ok=True)
    parser.add_argument("version", help="for example 1")
    asyncio.run(record(parser.parse_args().version))


if __name__ == "__main__":
    main()
