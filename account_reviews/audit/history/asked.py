"""The decisions that a history holds: what people sent, as they sent it. Pure.

A review records of each that it was taken or refused, under the name that counts for whoever sent
it. Beside what was sent, a record that nobody caused stands out, and so does a message that nothing
came of.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.capture.payloads import moment, value_of
from account_reviews.temporal.names import DECIDE_SIGNAL, DECIDE_UPDATE

_LONGEST: Final = 64 * 1024
_SPELLINGS: Final = b'"spellings":{"'


@dataclass(frozen=True, slots=True)
class Asked:
    """One message that asks for a decision."""

    event: int
    """Its number in the history."""
    at: datetime
    approver: str | None
    """None where the message does not say so in our shape."""
    decision_id: str | None
    text: str
    """What was sent, as it was spelled: an odd shape may hold the name somewhere else."""
    update: bool
    refused: bool | None = None
    """Whether an update was; None for a signal and for an update that has no answer yet."""
    waits: bool = False
    """True for a signal that no task of the workflow has come to, as while it is paused."""


def asked(events: Iterable[HistoryEvent]) -> tuple[Asked, ...]:
    """The decisions among the events, in their order."""
    found: dict[int, Asked] = {}
    task = 0
    for event in events:
        if event.event_type == Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            task = event.event_id
        elif event.event_type == Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signal = event.workflow_execution_signaled_event_attributes
            if signal.signal_name == DECIDE_SIGNAL:
                found[event.event_id] = _asked(event, signal.input.payloads, update=False)
        elif event.event_type == Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            message = event.workflow_execution_update_accepted_event_attributes
            given = message.accepted_request.input
            if given.name == DECIDE_UPDATE:
                found[event.event_id] = _asked(event, given.args.payloads, update=True)
        elif event.event_type == Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED:
            answer = event.workflow_execution_update_completed_event_attributes
            accepted = answer.accepted_event_id
            if accepted in found:
                refused = answer.outcome.HasField("failure")
                found[accepted] = replace(found[accepted], refused=refused)
    return tuple(replace(one, waits=not one.update and one.event > task) for one in found.values())


def spelled_otherwise(events: Iterable[HistoryEvent]) -> frozenset[tuple[str, str]]:
    """What else people were called while this ran, and the name that counts: by the terms that
    steps of the review answered with (`Terms.spellings`), for these it records its decisions by."""
    return frozenset(
        pair for event in events for result in _results(event) for pair in _spellings(result)
    )


def _results(event: HistoryEvent) -> Iterator[Payload]:
    """What an activity, or a local one, answered."""
    if event.event_type == Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
        yield from event.activity_task_completed_event_attributes.result.payloads
    elif event.event_type == Kind.EVENT_TYPE_MARKER_RECORDED:
        details = event.marker_recorded_event_attributes.details
        if "result" in details:
            yield from details["result"].payloads


def _spellings(result: Payload) -> Iterator[tuple[str, str]]:
    if _SPELLINGS not in result.data:  # most answers hold no terms, and most terms none
        return
    value = value_of([result])
    if not isinstance(value, Mapping):
        return
    for holder in (value, value.get("analysis")):  # an undo's analysis is a part of its answer
        terms = holder.get("terms") if isinstance(holder, Mapping) else None
        found = terms.get("spellings") if isinstance(terms, Mapping) else None
        if isinstance(found, Mapping):
            yield from ((one, name) for one, name in found.items() if isinstance(name, str))


def _asked(event: HistoryEvent, payloads: Iterable[Payload], *, update: bool) -> Asked:
    given = list(payloads)
    value = value_of(given)
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    return Asked(
        event=event.event_id,
        at=moment(event.event_time),
        approver=_word(fields, "approver"),
        decision_id=_word(fields, "decision_id"),
        text=b" ".join(one.data for one in given)[:_LONGEST].decode("utf-8", "replace"),
        update=update,
    )


def _word(fields: Mapping[str, Any], key: str) -> str | None:
    found = fields.get(key)
    return found if isinstance(found, str) and found else None
