"""A hook harms nobody: not the one who notifies, not another hook, not its own next call."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from account_reviews.hooks.dispatcher import MOST_STUCK, Lanes
from account_reviews.hooks.events import HookEvent, HookName
from account_reviews.hooks.registry import hook_of
from tests.support.hooks import PATIENCE, Counted, Heard, counting, event
from tests.support.waiting import eventually

TOOL = HookName.PRE_TOOL
FAILURES = "reviews_hook_failures"
CALLS = "reviews_hook_calls"


@pytest.fixture
def counted() -> Iterator[Counted]:
    with counting() as found:
        yield found


def notify(lanes: Lanes, number: int) -> None:
    lanes.notify(TOOL, lambda: event(number))


def numbers(events: list[HookEvent]) -> list[int]:
    return [int(one.run_id.removeprefix("run-")) for one in events]


def test_calls_come_in_order_in_another_thread_and_are_counted(counted: Counted) -> None:
    heard, threads = Heard(), set()

    def note(notice: HookEvent) -> None:
        threads.add(threading.current_thread())
        heard(notice)

    lanes = Lanes([hook_of(note, "note")])
    for number in range(300):
        notify(lanes, number)
    assert numbers(heard.wait(300)) == list(range(300))
    lanes.close()
    assert threading.main_thread() not in threads
    assert len(threads) == 1
    assert counted(CALLS) == {("note",): 300}
    assert counted(FAILURES) == {}


def test_an_object_is_told_only_what_it_has_methods_for() -> None:
    heard = Heard()

    class Tools:
        async def pre_tool(self, notice: HookEvent) -> None:
            await asyncio.sleep(0)
            heard(notice)

    lanes = Lanes([hook_of(Tools, "tools")])
    assert lanes.wanted(HookName.PRE_TOOL)
    assert not lanes.wanted(HookName.POST_TOOL, HookName.SESSION_END)
    lanes.notify(HookName.POST_TOOL, lambda: event(1, HookName.POST_TOOL))
    notify(lanes, 2)
    assert numbers(heard.wait(1)) == [2]
    lanes.close()
    assert numbers(heard.events) == [2]


def _raises(_: HookEvent) -> None:
    raise ValueError("no")


async def _raises_later(_: HookEvent) -> None:
    await asyncio.sleep(0)
    raise TimeoutError("its own, not ours")


def _exits(_: HookEvent) -> None:
    raise SystemExit(3)


@pytest.mark.parametrize("bad", [_raises, _raises_later, _exits])
def test_one_that_raises_goes_on_and_the_others_hear_all(
    bad: Any, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    lanes = Lanes([hook_of(bad, "bad"), hook_of(heard, "good")])
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            notify(lanes, number)
        heard.wait(5)
        eventually(lambda: counted(FAILURES) == {("bad", "raised"): 5})
    lanes.close()
    assert counted(CALLS) == {("good",): 5}
    said = [record.getMessage() for record in caplog.records if "bad" in record.getMessage()]
    assert len(said) == 1, "five failures in a moment are one line"


@pytest.mark.parametrize("is_async", [False, True])
def test_one_that_hangs_is_given_up_and_called_for_the_next(
    counted: Counted, *, is_async: bool
) -> None:
    heard, never = Heard(), threading.Event()

    async def waits(notice: HookEvent) -> None:
        if notice.run_id == "run-0":
            await asyncio.Event().wait()
        heard(notice)

    def blocks(notice: HookEvent) -> None:
        if notice.run_id == "run-0":
            never.wait(PATIENCE)
        heard(notice)

    lanes = Lanes([hook_of(waits if is_async else blocks, "slow")], timeout=0.05)
    for number in range(3):
        notify(lanes, number)
    assert numbers(heard.wait(2)) == [1, 2]
    eventually(lambda: counted(CALLS) == {("slow",): 2})
    assert counted(FAILURES) == {("slow", "timed_out"): 1}
    never.set()
    lanes.close()
    assert counted(FAILURES) == {("slow", "timed_out"): 1}, "its late end counts for nothing"
    assert counted(CALLS) == {("slow",): 2}


def test_one_that_ignores_its_cancellation_is_left_behind(counted: Counted) -> None:
    heard, never = Heard(), threading.Event()

    async def stubborn(notice: HookEvent) -> None:
        if notice.run_id == "run-0":
            never.wait(PATIENCE)  # blocks its loop: the time-out cannot fire
        heard(notice)

    lanes = Lanes([hook_of(stubborn, "stubborn")], timeout=0.05)
    notify(lanes, 0)
    notify(lanes, 1)
    assert numbers(heard.wait(1)) == [1]
    assert counted(FAILURES) == {("stubborn", "timed_out"): 1}
    never.set()
    lanes.close()


def test_hanging_threads_are_few_and_it_goes_on_when_one_returns(counted: Counted) -> None:
    heard, go_on = Heard(), threading.Event()

    def hangs(notice: HookEvent) -> None:
        if int(notice.run_id.removeprefix("run-")) < MOST_STUCK:
            go_on.wait(PATIENCE)
        else:
            heard(notice)

    before = threading.active_count()
    lanes = Lanes([hook_of(hangs, "hangs")], timeout=0.05)
    for number in range(MOST_STUCK + 2):
        notify(lanes, number)
    eventually(lambda: counted(FAILURES) == {("hangs", "timed_out"): MOST_STUCK})
    assert heard.events == []
    assert threading.active_count() - before <= MOST_STUCK + 1
    go_on.set()
    assert numbers(heard.wait(2)) == [MOST_STUCK, MOST_STUCK + 1]
    lanes.close()


def test_what_does_not_fit_is_dropped_and_counted_and_telling_never_waits(
    counted: Counted,
) -> None:
    heard, entered, go_on = Heard(), threading.Event(), threading.Event()

    def slow(notice: HookEvent) -> None:
        entered.set()
        go_on.wait(PATIENCE)
        heard(notice)

    lanes = Lanes([hook_of(slow, "slow")], timeout=PATIENCE, most=10)
    notify(lanes, 0)
    assert entered.wait(PATIENCE)
    for number in range(1, 31):
        notify(lanes, number)
    assert counted(FAILURES) == {("slow", "dropped"): 20}
    go_on.set()
    assert numbers(heard.wait(11)) == list(range(11))
    lanes.close()


def test_the_end_lets_hooks_finish_and_drops_what_is_left(counted: Counted) -> None:
    heard, never = Heard(), threading.Event()

    def hangs(_: HookEvent) -> None:
        never.wait(PATIENCE)

    lanes = Lanes([hook_of(heard, "quick"), hook_of(hangs, "hangs")], timeout=PATIENCE)
    for number in range(50):
        notify(lanes, number)
    lanes.close(0.5)
    never.set()
    assert numbers(heard.events) == list(range(50))
    assert counted(FAILURES) == {("hangs", "timed_out"): 1, ("hangs", "dropped"): 49}
    notify(lanes, 51)
    assert counted(FAILURES)["quick", "dropped"] == 1


def test_an_event_is_made_by_the_hooks_thread_and_once() -> None:
    made: list[threading.Thread] = []
    first, second = Heard(), Heard()

    def make() -> HookEvent:
        made.append(threading.current_thread())
        return event(1)

    lanes = Lanes([hook_of(first, "first"), hook_of(second, "second")])
    lanes.notify(TOOL, make)
    assert first.wait(1) == second.wait(1)
    lanes.close()
    assert len(made) == 1
    assert made[0] is not threading.current_thread()
