"""Reading a history from where it was left off: one way for the live trail and for repairs."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.audit.capture.payloads import moment
from account_reviews.audit.history.asked import Asked, asked, spelled_otherwise
from account_reviews.audit.history.event_context import RunContext, RunKey
from account_reviews.audit.history.rows import CLOSING, is_durable, rows
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.domain.audit.redaction import Rules

LONG: Final = 400
"""Events. A longer history is not read whole each time: the page token is kept."""
CALL_SECONDS: Final = 5.0
"""For one call to Temporal."""
_NEWS_SECONDS: Final = 0.3
"""How long the end of a long history is waited at: the service holds the call till news come."""
_TOKENS: Final = 500
_AT_ONCE: Final = 100
"""Events read before others on the event loop have their turn."""


_NONE: Final = HistoryEvent()


class HistoryGoneError(Exception):
    """The service has no such history, or no longer."""


@dataclass(frozen=True, slots=True)
class Export:
    """What a history gave beyond what was known."""

    run: RunKey
    rows: list[AuditEvent]
    last_event: int
    """The newest event that is written for good; 0 when there is none yet."""
    closed: bool
    context: RunContext
    started_at: datetime | None
    """None when the first event was not read this time."""
    asked: tuple[Asked, ...] = ()
    """Decisions among the events that were read."""
    spelled: frozenset[tuple[str, str]] = frozenset()
    """What people are called otherwise, and the name that counts, by the same events."""
    last_of_worker: int = 0
    """The newest of these events that a worker wrote; the server alone wrote those behind it."""


@dataclass(slots=True)
class _Place:
    """Where the next page of a long history begins."""

    after: int
    token: bytes


@dataclass
class HistoryReader:
    """Reads histories of one namespace; remembers only where the long ones were left."""

    client: Client
    rules: Rules
    _places: OrderedDict[str, _Place] = field(default_factory=OrderedDict)

    def key(self, workflow_id: str, run_id: str) -> RunKey:
        """The name of a run in the namespace of the client."""
        return RunKey(self.client.namespace, workflow_id, run_id)

    async def export(
        self, workflow_id: str, run_id: str, after: int = 0, context: RunContext | None = None
    ) -> Export:
        """The rows of all events with a larger id than `after`, and the context behind them.

        `context` is that behind event `after`; without one everything before is read anew for it.
        HistoryGoneError when there is none, TimeoutError or RPCError when Temporal does not answer.
        """
        run = self.key(workflow_id, run_id)
        begin = after if context is not None else 0
        events = await self._events(run, begin)
        moved = RunContext() if context is None or not after else context.copy()
        made: list[AuditEvent] = []
        for start in range(0, len(events), _AT_ONCE):
            if start:
                await asyncio.sleep(0)
            made += rows(run, events[start : start + _AT_ONCE], moved, self.rules)
        durable = events[: len(made)]
        return Export(
            run=run,
            rows=made[after - begin :],
            last_event=durable[-1].event_id if durable else begin,
            closed=bool(durable) and durable[-1].event_type in CLOSING,
            context=moved,
            started_at=moment(durable[0].event_time) if durable and not begin else None,
            asked=asked(durable),
            spelled=spelled_otherwise(durable),
            last_of_worker=max(filter(_is_of_worker, durable), key=_number, default=_NONE).event_id,
        )

    async def _events(self, run: RunKey, after: int) -> list[HistoryEvent]:
        """The events beyond `after`, in order and without a hole."""
        place = self._places.pop(run.run_id, None)
        if place is not None and place.after == after:
            found = await self._pages(run, after, place.token, follow=True)
            if _connected(found, after):
                return found
        return await self._pages(run, after, b"", follow=after >= LONG)

    async def _pages(
        self, run: RunKey, after: int, token: bytes, *, follow: bool
    ) -> list[HistoryEvent]:
        found: list[HistoryEvent] = []
        last, resume = after, token
        async with aclosing(self._calls(run, token, follow=follow)) as pages:
            async for events, following in pages:
                fresh = [event for event in events if event.event_id > after]
                found += fresh
                written = [event.event_id for event in fresh if is_durable(event)]
                last, resume = max([last, *written]), following
        if follow and resume:
            self._remember(run.run_id, _Place(last, resume))
        return found

    async def _calls(
        self, run: RunKey, token: bytes, *, follow: bool
    ) -> AsyncGenerator[tuple[Sequence[HistoryEvent], bytes], None]:
        """Pages until the end; when news are followed, until none come for a moment."""
        first = True
        while first or token:
            request = GetWorkflowExecutionHistoryRequest(
                namespace=run.namespace,
                execution=WorkflowExecution(workflow_id=run.workflow_id, run_id=run.run_id),
                next_page_token=token,
                wait_new_event=follow,
                skip_archival=True,
            )
            bound = _NEWS_SECONDS if follow and token else CALL_SECONDS
            try:
                async with asyncio.timeout(bound):
                    answer = await self.client.workflow_service.get_workflow_execution_history(
                        request
                    )
            except TimeoutError:
                if bound == _NEWS_SECONDS:
                    return
                raise
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    raise HistoryGoneError(f"{run.workflow_id} {run.run_id}") from error
                raise
            first, token = False, answer.next_page_token
            yield answer.history.events, token

    def _remember(self, run_id: str, place: _Place) -> None:
        self._places[run_id] = place
        if len(self._places) > _TOKENS:
            self._places.popitem(last=False)


def _connected(events: Sequence[HistoryEvent], after: int) -> bool:
    return all(event.event_id == after + 1 + place for place, event in enumerate(events))


def _number(event: HistoryEvent) -> int:
    return event.event_id


def _is_of_worker(event: HistoryEvent) -> bool:
    """Whether it is the end of a workflow task, or something that task asked for."""
    if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
        return True
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    return bool(getattr(attributes, "workflow_task_completed_event_id", 0))
