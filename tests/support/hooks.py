"""Events to notify of, and what was counted of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from account_reviews.hooks.events import HookEvent, HookName
from account_reviews.telemetry import instruments
from tests.support import waiting

PATIENCE = 10.0
"""Seconds for a call of a hook."""


def event(number: int = 1, name: HookName = HookName.PRE_TOOL) -> HookEvent:
    return HookEvent(
        name=name,
        at=datetime(2026, 10, 1, tzinfo=UTC),
        tenant="default",
        workflow_id=f"review/acc-{number}",
        run_id=f"run-{number}",
        agent="AccountReview",
    )


class Heard:
    """A list that can be waited at."""

    def __init__(self) -> None:
        self.events: list[HookEvent] = []
        self._lock = Lock()
        self._wanted = 0
        self._there = Event()

    def __call__(self, event: HookEvent) -> None:
        with self._lock:
            self.events.append(event)
            if 0 < self._wanted <= len(self.events):
                self._there.set()

    def wait(self, count: int) -> list[HookEvent]:
        with self._lock:
            self._wanted = count
            self._there.clear()
            if len(self.events) >= count:
                self._there.set()
        assert self._there.wait(waiting.PATIENCE), f"{len(self.events)} of {count} events came"
        return self.events


Counted = Callable[[str], dict[tuple[str, ...], int]]


@contextmanager
def counting() -> Iterator[Counted]:
    """Gives what was counted under a name so far, by the labels' values in order of their names.

    Of a histogram: how often.
    """
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    made = instruments.use(provider)

    def counted(name: str) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        data: Any = reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            for metric in resource.scope_metrics[0].metrics:
                if metric.name == name:
                    for point in metric.data.data_points:
                        labels = tuple(value for _, value in sorted(point.attributes.items()))
                        found[labels] = point.count if hasattr(point, "count") else point.value
        return found

    try:
        yield counted
    finally:
        instruments.forget(made)
        provider.shutdown()
