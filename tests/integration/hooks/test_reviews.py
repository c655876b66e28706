"""Hooks on a real worker: they hear the truth, and whatever they do no review notices."""

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowFailureError
from temporalio.workflow import Info

from account_reviews.audit.capture.workflow_runner import Moved, TapRunner
from account_reviews.domain.audit.events import trace_of_run
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.review.phases import Outcome
from account_reviews.hooks.dispatcher import Lanes
from account_reviews.hooks.events import Anomaly, HookEvent, HookName
from account_reviews.hooks.registry import Hook, hook_of
from account_reviews.hooks.review_lifecycle import Sessions
from account_reviews.hooks.worker import hooked
from account_reviews.memory.in_memory import InMemoryMemory
from account_reviews.memory.protocol import MemoryHit, RecallQuery
from account_reviews.telemetry.trace_exporter import Traces
from account_reviews.temporal.sandbox import sandboxed_runner
from tests.support.hooks import PATIENCE, Counted, Heard, counting
from tests.support.operations import pause
from tests.support.waiting import eventually
from tests.support.world import World, create_task, decision, make_world
from workflows.account_review import AccountReviewWorkflow


class NobodyElse:
    """The tap's other listener, which is the audit trail's."""

    def moved(self, workflow_id: str, run_id: str, moved: Moved) -> None:
        pass

    def refused(
        self, info: Info, act: WorkflowActivation, completion: WorkflowActivationCompletion
    ) -> None:
        pass


@pytest.fixture
def world(client: Client, engine: AsyncEngine) -> World:
    return make_world(client, engine)


@pytest.fixture
def counted() -> Iterator[Counted]:
    with counting() as found:
        yield found


@asynccontextmanager
async def working(
    world: World, *hooks: Hook, call_seconds: float = PATIENCE
) -> AsyncIterator[None]:
    """A worker that calls these hooks."""
    async with hooked(
        hooks, world.client, load_policy(None), tenant="default", call_seconds=call_seconds
    ) as listening:
        runner = TapRunner(sandboxed_runner(), NobodyElse(), [listening.observer])
        traces = Traces("tests")
        async with world.worker(
            interceptors=[traces.tracing, listening.interceptor], workflow_runner=runner
        ):
            yield
        traces.close(1)


async def until(holds: Callable[[], bool]) -> None:
    """Hooks run in threads of their own."""
    await asyncio.to_thread(eventually, holds)


def ended(heard: Heard, count: int = 1) -> Callable[[], bool]:
    return lambda: names(heard)[HookName.SESSION_END] >= count


def names(heard: Heard) -> Counter[HookName]:
    return Counter(event.name for event in heard.events)


def of(events: Sequence[HookEvent], name: HookName) -> list[HookEvent]:
    return [event for event in events if event.name is name]


async def test_hooks_are_notified_of_a_review_from_start_to_end(
    world: World, counted: Counted
) -> None:
    world.analysis.changes = (create_task(world.account),)
    heard = Heard()
    async with working(world, hook_of(heard, "heard")):
        handle = await world.start()
        await handle.signal("submit_decision", decision(await world.request(handle)))
        result = await handle.result()
        await until(ended(heard))
    events = heard.events
    begins, ends = of(events, HookName.SESSION_START), of(events, HookName.SESSION_END)
    assert len(begins) == len(ends) == 1
    assert (begins[0].kind, begins[0].status, begins[0].outcome) == ("on_demand", None, None)
    assert (ends[0].kind, ends[0].status, ends[0].outcome) == (
        "on_demand", "completed", Outcome.COMPLETED,
    )  # fmt: skip
    assert ends[0].duration_seconds == result.duration_seconds
    assert begins[0].at == result.started_at
    assert ends[0].anomalies == ()
    for event in events:
        assert event.review_id == event.workflow_id == handle.id
        assert event.account_id == world.account.id
        assert event.tenant == "default"
        assert event.run_id == result.run_id
        assert event.agent == "AccountReview"
        assert event.trace_id == trace_of_run(result.run_id)
    tools = of(events, HookName.PRE_TOOL)
    assert {event.tool for event in tools} == {
        "crm.fetch_snapshot", "memory.recall", "crm.apply_change", "crm.read_back",
    }  # fmt: skip
    assert {event.task for event in of(events, HookName.POST_TASK)} == {
        "analysis.analyse", "store.save_review",
    }  # fmt: skip
    fetch = next(event for event in tools if event.tool == "crm.fetch_snapshot")
    assert "account_id" in fetch.input_keys
    assert len(fetch.input_sha256 or "") == 64
    assert world.account.id not in str(fetch.input_keys)
    assert pairs(events, HookName.PRE_TOOL) == pairs(events, HookName.POST_TOOL)
    assert pairs(events, HookName.PRE_TASK) == pairs(events, HookName.POST_TASK)
    assert counted("reviews_hook_calls") == {("heard",): len(events)}
    assert counted("reviews_hook_failures") == {}
    assert counted("reviews_session_anomalies") == {}


def pairs(events: Sequence[HookEvent], name: HookName) -> Counter[tuple[object, ...]]:
    return Counter((e.activity_id, e.attempt, e.tool, e.task) for e in of(events, name))


async def test_hooks_that_raise_hang_and_crawl_are_not_noticed(
    world: World, counted: Counted
) -> None:
    never, heard = threading.Event(), Heard()

    def raises(_: HookEvent) -> None:
        raise RuntimeError("a hook's own fault")

    async def hangs(_: HookEvent) -> None:
        await asyncio.Event().wait()

    def blocks(_: HookEvent) -> None:
        never.wait(PATIENCE)

    hooks = [hook_of(one, one.__name__) for one in (raises, hangs, blocks)]
    world.analysis.changes = (create_task(world.account),)
    async with working(world, *hooks, hook_of(heard, "heard"), call_seconds=0.2):
        handle = await world.start()
        await handle.signal("submit_decision", decision(await world.request(handle)))
        result = await handle.result()
        await until(ended(heard))
        notified = len(heard.events)
        await until(lambda: counted("reviews_hook_failures").get(("raises", "raised")) == notified)
        await until(lambda: counted("reviews_hook_failures").get(("blocks", "timed_out"), 0) > 0)
    never.set()
    assert result.outcome is Outcome.COMPLETED
    assert counted("reviews_hook_calls") == {("heard",): notified}
    failures = counted("reviews_hook_failures")
    for name in ("hangs", "blocks"):
        lost = failures[name, "timed_out"] + failures.get((name, "dropped"), 0)
        assert lost == notified, "each event is counted once"


class Meeting(InMemoryMemory):
    """The CRM answers once the memory is asked, and the memory a while after that."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._asked, self._answered = asyncio.Event(), asyncio.Event()
        snapshot = world.crm.snapshot

        async def after_the_memory_is_asked(*words: Any, **more: Any) -> Any:
            await self._asked.wait()
            self._answered.set()
            return await snapshot(*words, **more)

        monkeypatch.setattr(world.crm, "snapshot", after_the_memory_is_asked)

    async def recall(self, query: RecallQuery) -> tuple[MemoryHit, ...]:
        self._asked.set()
        await self._answered.wait()
        await asyncio.sleep(0.4)
        return await super().recall(query)


async def test_parallel_tools_have_their_own_durations(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.memory = Meeting(world, monkeypatch)
    heard = Heard()
    async with working(world, hook_of(heard, "heard")):
        await (await world.start(memory_patience_seconds=30)).result()
        await until(ended(heard))
    tools = [
        event for event in heard.events if event.tool in ("crm.fetch_snapshot", "memory.recall")
    ]
    order = [(event.name, event.tool) for event in tools]
    assert {tool for _, tool in order[:2]} == {"crm.fetch_snapshot", "memory.recall"}
    assert [name for name, _ in order] == [HookName.PRE_TOOL] * 2 + [HookName.POST_TOOL] * 2, (
        "they ran at the same time"
    )
    took = {event.tool: event.duration_seconds or 0.0 for event in tools[2:]}
    assert took["memory.recall"] >= 0.4
    assert took["crm.fetch_snapshot"] != took["memory.recall"]
    for event in tools[2:]:
        begun = next(e for e in tools[:2] if e.activity_id == event.activity_id)
        assert begun.tool == event.tool
        apart = (event.at - begun.at).total_seconds()
        assert event.duration_seconds == pytest.approx(apart, abs=0.1)


async def test_nothing_is_told_twice_when_another_worker_replays(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    first, second = Heard(), Heard()
    async with working(world, hook_of(first, "first")):
        handle = await world.start()
        request = await world.request(handle)
        await until(lambda: names(first)[HookName.SESSION_START] == 1)
    async with working(world, hook_of(second, "second")):
        await handle.query(AccountReviewWorkflow.status)  # replays all of it
        assert second.events == []
        await handle.signal("submit_decision", decision(request))
        await handle.result()
        await until(ended(second))
    assert names(second)[HookName.SESSION_START] == 0
    done = {event.tool or event.task for event in first.events}
    assert {"crm.fetch_snapshot", "analysis.analyse"} <= done
    again = {event.tool or event.task for event in second.events}
    assert not again & {"crm.fetch_snapshot", "memory.recall", "analysis.analyse"}
    assert HookName.SESSION_END not in names(first)


async def test_a_review_of_several_runs_is_one_session(world: World) -> None:
    world.analysis.changes = (create_task(world.account),)
    heard = Heard()
    async with working(world, hook_of(heard, "heard")):
        handle = await world.start(history_limit=40)
        request = await world.request(handle)
        newest = world.client.get_workflow_handle(handle.id)
        async with asyncio.timeout(PATIENCE):
            while (await newest.describe()).run_id == handle.first_execution_run_id:
                await newest.signal("submit_decision", {"request_id": "unknown"})
        await newest.signal("submit_decision", decision(request))
        result = await handle.result()
        await until(ended(heard))
    runs = {event.run_id for event in heard.events}
    assert {result.run_id} < runs, "it has continued as new"
    (begin,), (end,) = (
        of(heard.events, name) for name in (HookName.SESSION_START, HookName.SESSION_END)
    )
    assert begin.run_id == end.run_id == result.run_id
    assert {event.trace_id for event in heard.events} == {begin.trace_id}


async def test_failures_are_anomalies_and_failing_again_is_another(
    world: World, counted: Counted
) -> None:
    world.account = world.account.model_copy(update={"id": f"{world.account.id}-missing"})
    heard = Heard()
    async with working(world, hook_of(heard, "heard")):
        for count in (1, 2):
            handle = await world.start()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            await until(ended(heard, count))
            await listed(world.client, handle.id, count)
    once, again = of(heard.events, HookName.SESSION_END)
    assert (once.status, once.outcome, once.error_type) == ("failed", "failed", "ReviewFailed")
    assert once.anomalies == (Anomaly.FAILED,)
    assert again.anomalies == (Anomaly.FAILED, Anomaly.FAILED_AGAIN)
    assert counted("reviews_session_anomalies") == {("failed",): 2, ("failed_again",): 1}
    failed = {(e.tool, e.error_type) for e in of(heard.events, HookName.POST_TOOL) if e.error_type}
    failed.discard(("memory.recall", "CancelledError"))  # it may be under way beside it
    assert failed == {("crm.fetch_snapshot", "AccountNotFoundError")}


async def listed(client: Client, workflow_id: str, count: int) -> None:
    """Lists follow a moment after the end."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = client.list_workflows(
                f"WorkflowId = '{workflow_id}' AND ExecutionStatus = 'Failed'"
            )
            if len([one async for one in found]) >= count:
                return
            await asyncio.sleep(0.02)


async def test_without_hooks_anomalies_are_counted_all_the_same(
    world: World, counted: Counted
) -> None:
    world.account = world.account.model_copy(update={"id": f"{world.account.id}-missing"})
    async with working(world):
        handle = await world.start()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        await until(lambda: counted("reviews_session_anomalies") == {("failed",): 1})


async def test_an_end_that_another_worker_saved_is_read_from_the_history(world: World) -> None:
    """Only the runner's side of a worker is here: nobody notifies it of what was saved."""
    world.analysis.changes = (create_task(world.account),)
    heard = Heard()
    lanes = Lanes([hook_of(heard, "heard")])
    sessions = Sessions(lanes, world.client)
    runner = TapRunner(sandboxed_runner(), NobodyElse(), [sessions])
    async with world.worker(workflow_runner=runner):
        rejected = await world.start(kind="manual")
        await rejected.signal(
            "submit_decision", decision(await world.request(rejected), "reject", reason="no")
        )
        result = await rejected.result()
        await until(ended(heard))
        cancelled = await world.start()
        await world.request(cancelled)
        await cancelled.cancel()
        with pytest.raises(WorkflowFailureError):
            await cancelled.result()
        await until(ended(heard, 2))
    await sessions.close(1)
    lanes.close()
    first, second = of(heard.events, HookName.SESSION_END)
    assert (first.kind, first.status, first.outcome) == ("manual", "completed", "rejected")
    assert first.run_id == result.run_id
    assert first.duration_seconds == pytest.approx(result.duration_seconds, abs=2)
    assert (second.status, second.outcome) == ("cancelled", None)


async def test_an_end_is_notified_of_while_the_next_review_is_paused_in_temporal(
    world: World, counted: Counted
) -> None:
    """What is paused is open: it is neither an end nor a failure of before."""
    heard, runs = Heard(), list[str]()
    review_id = f"review/{world.account.id}"
    for limit in (timedelta(seconds=1), timedelta(seconds=1), None):
        handle = await world.client.start_workflow(
            "AccountReview", {}, id=review_id, task_queue="nobody-listens", run_timeout=limit
        )
        runs.append(handle.first_execution_run_id or "")
        if limit is not None:
            with pytest.raises(WorkflowFailureError):
                await handle.result()
    await pause(world.client, review_id)
    async with hooked(
        [hook_of(heard, "heard")], world.client, load_policy(None), tenant="default"
    ) as listening:
        listening.observer.moved(review_id, runs[1], started=False, ended=True)
        await until(ended(heard))
    (event,) = of(heard.events, HookName.SESSION_END)
    assert event.anomalies == (Anomaly.FAILED, Anomaly.FAILED_AGAIN)
    await handle.terminate()
