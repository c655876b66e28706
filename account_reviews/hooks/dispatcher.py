"""Calls hooks where they can harm nobody: each in a thread of its own, from a bounded queue.

One hook's calls come one after another, in order. A call that takes too long is given up: async
ones are cancelled, the thread of a plain one is left behind and another takes its place. When too
many were left behind, the hook waits for one of them; what does not fit into its queue is dropped.
"""

import asyncio
import inspect
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from account_reviews.hooks.events import HookEvent, HookName
from account_reviews.hooks.registry import Hook
from account_reviews.telemetry import instruments

TIMEOUT_SECONDS: Final = 5.0
MOST_WAITING: Final = 1000
"""Events per hook."""
MOST_STUCK: Final = 3
"""Threads per hook that may be left behind at one time."""
CLOSING_SECONDS: Final = 2.0

_GRACE_SECONDS: Final = 0.5
"""So much longer than its time-out an async call may take to end when it is cancelled."""
_QUIET_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class Notice:
    """An event that is made when the first hook gets it, in the hook's thread."""

    def __init__(self, name: HookName, make: Callable[[], HookEvent]) -> None:
        self.name = name
        self._make = make

    @cached_property
    def event(self) -> HookEvent:
        return self._make()


class Lane:
    """One hook with its queue and its thread."""

    def __init__(self, hook: Hook, timeout: float, most: int) -> None:
        self.hook = hook
        self._timeout = timeout
        self._most = most
        self._waiting: deque[Notice] = deque()
        self._changed = threading.Condition()
        self._turn = 0
        """Of the thread that may take events; one that was left behind has an older one."""
        self._begun: float | None = None
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._complaints = _Complaints(hook.name)
        self._start_thread()

    def put(self, notice: Notice) -> None:
        """Have the hook called. Any thread; never blocks, never raises."""
        with self._changed:
            full = self._closing or len(self._waiting) >= self._most
            if not full:
                self._waiting.append(notice)
                self._changed.notify()
        if full:
            self._complaints.count("dropped")

    def check(self) -> None:
        """Leave a call behind that takes too long; go on when there is room for a thread."""
        with self._changed:
            limit = self._timeout + _GRACE_SECONDS
            hangs = self._begun is not None and time.monotonic() - self._begun > limit
            if hangs:
                self._turn += 1
                self._begun = None
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            serving = any(thread.name == self._thread_name() for thread in self._threads)
            if not serving and len(self._threads) < MOST_STUCK and not self._closing:
                self._start_thread()
        if hangs:
            self._complaints.count("timed_out", f"no answer within {self._timeout:g} s")

    def close(self, deadline: float) -> None:
        """Let it come to its end by `deadline` (time.monotonic); what is left is dropped."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            serving = [one for one in self._threads if one.name == self._thread_name()]
        for thread in serving:
            thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            self._turn += 1
            left, hangs = len(self._waiting), self._begun is not None
            self._waiting.clear()
        if left:
            self._complaints.count("dropped", "the worker stops", number=left)
        if hangs:
            self._complaints.count("timed_out", "no answer before the worker stopped")

    def _thread_name(self) -> str:
        return f"hook {self.hook.name} {self._turn}"

    def _start_thread(self) -> None:
        thread = threading.Thread(
            target=self._work, args=(self._turn,), name=self._thread_name(), daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _work(self, turn: int) -> None:
        with asyncio.Runner() as runner:
            while (notice := self._take(turn)) is not None:
                failure = self._call(runner, notice)
                with self._changed:
                    if turn != self._turn:
                        return  # left behind, and counted by then
                    self._begun = None
                if failure is None:
                    instruments.hook_ended(self.hook.name)
                else:
                    self._complaints.count(*failure)

    def _take(self, turn: int) -> Notice | None:
        """The next event; None when there will be none for this thread."""
        with self._changed:
            while turn == self._turn and not self._waiting and not self._closing:
                self._changed.wait()
            if turn != self._turn or not self._waiting:
                return None
            self._begun = time.monotonic()
            return self._waiting.popleft()

    def _call(self, runner: asyncio.Runner, notice: Notice) -> tuple[str, str] | None:
        """Call it; the reason and the words of its failure."""
        try:
            answer = self.hook.calls[notice.name](notice.event)
            if inspect.isawaitable(answer):
                return runner.run(_awaited(answer, self._timeout))
        except BaseException as error:  # noqa: BLE001  also SystemExit ends nothing here
            return "raised", f"{type(error).__name__}: {error}"
        return None


async def _awaited(answer: Any, limit_seconds: float) -> tuple[str, str] | None:
    try:
        async with asyncio.timeout(limit_seconds) as limit:
            await answer
    except TimeoutError:
        if not limit.expired():
            raise
        return "timed_out", f"no answer within {limit_seconds:g} s"
    return None


class _Complaints:
    """Counts failures of a hook, and logs each reason once a minute."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._quiet_until: dict[str, float] = {}
        self._unsaid: dict[str, int] = {}

    def count(self, reason: str, words: str = "its queue is full", *, number: int = 1) -> None:
        for _ in range(number):
            instruments.hook_failed(self._name, reason)
        now = time.monotonic()
        with self._lock:
            unsaid = self._unsaid.get(reason, 0) + number
            quiet = now < self._quiet_until.get(reason, 0.0)
            self._unsaid[reason] = unsaid if quiet else 0
            if not quiet:
                self._quiet_until[reason] = now + _QUIET_SECONDS
        if not quiet:
            _log.warning("hook %s %s (%d times): %s", self._name, reason, unsaid, words)


class Lanes:
    """All hooks of a process. `notify` costs microseconds; without hooks next to nothing."""

    def __init__(
        self,
        hooks: Sequence[Hook],
        *,
        timeout: float = TIMEOUT_SECONDS,
        most: int = MOST_WAITING,
    ) -> None:
        self._lanes = [Lane(hook, timeout, most) for hook in hooks]
        self._by_name: dict[HookName, list[Lane]] = {
            name: [lane for lane in self._lanes if name in lane.hook.calls] for name in HookName
        }
        self._stop = threading.Event()
        self._pause = max(0.01, min(0.5, timeout / 4))
        if self._lanes:
            threading.Thread(target=self._watch, name="hooks", daemon=True).start()

    def wanted(self, *names: HookName) -> bool:
        """Whether anybody listens to one of these."""
        return any(self._by_name[name] for name in names)

    def notify(self, name: HookName, make: Callable[[], HookEvent]) -> None:
        """Have the hooks called that listen to it. Any thread; never blocks, never raises."""
        lanes = self._by_name[name]
        if lanes:
            notice = Notice(name, make)
            for lane in lanes:
                lane.put(notice)

    def close(self, seconds: float = CLOSING_SECONDS) -> None:
        """Let hooks come to an end within so many seconds. Blocks."""
        self._stop.set()
        deadline = time.monotonic() + seconds
        for lane in self._lanes:
            lane.close(deadline)

    def _watch(self) -> None:
        while not self._stop.wait(self._pause):
            for lane in self._lanes:
                lane.check()
