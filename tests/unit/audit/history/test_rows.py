"""The rows of every recorded history: one per event, and the same however it is read."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from account_reviews.audit.history.event_context import RunContext, RunKey
from account_reviews.audit.history.event_types import METHODS
from account_reviews.audit.history.rows import CLOSING, SERVER, is_durable, rows
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    trace_of_run,
)
from account_reviews.domain.audit.redaction import Rules
from tests.support.paths import ROOT

HISTORIES = ROOT / "tests" / "replay" / "histories"
ALL = sorted(HISTORIES.glob("*/*.json"))
RULES = Rules()
RUN = RunKey("default", "review/acc-1", "01a1fd46-0bd2-72cd-aa06-75cccc0ac5ad")


def events_of(path: Path) -> list[HistoryEvent]:
    return list(WorkflowHistory.from_json(RUN.workflow_id, path.read_text()).events)


def review(name: str) -> list[HistoryEvent]:
    return events_of(HISTORIES / "AccountReview" / f"{name}.1.json")


def recorded(events: list[HistoryEvent], run: RunKey = RUN) -> list[AuditEvent]:
    return rows(run, events, RunContext(), RULES)


def of_type(events: list[AuditEvent], kind: EventType) -> list[AuditEvent]:
    return [event for event in events if event.event_type is kind]


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


@pytest.mark.parametrize("path", ALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_event_is_one_row_whatever_the_steps(path: Path) -> None:
    events = events_of(path)
    whole = recorded(events)
    prefix = f"{RUN.namespace}/{RUN.workflow_id}/{RUN.run_id}"
    assert [row.event_id for row in whole] == [
        f"{prefix}/{number}" for number in range(1, len(events) + 1)
    ]
    for row, event in zip(whole, events, strict=True):
        assert row.source is Source.HISTORY
        assert abs(row.at.timestamp() - event.event_time.ToNanoseconds() / 1e9) < 1e-5
        assert row.event_type is not EventType.OTHER_EVENT, Kind.Name(event.event_type)
        assert not any(isinstance(leaf, float) for leaf in leaves(row.details))
        assert row.details == json.loads(json.dumps(row.details))
        assert row.tenant
        assert row.actor != "unknown"
        assert row.trace_id == whole[0].trace_id
    for split in range(1, len(events)):
        context = RunContext()
        first = rows(RUN, events[:split], context, RULES)
        stored = json.loads(json.dumps(context.document()))
        rest = rows(RUN, events[split:], RunContext.of(stored), RULES)
        assert first + rest == whole, f"split after event {split}"


def test_a_review_tells_who_did_what() -> None:
    whole = recorded(review("completed_by_update"))
    (start,) = of_type(whole, EventType.SESSION_STARTED)
    assert (start.actor, start.action, start.account_id) == (
        "starter",
        "AccountReview",
        start.review_id and start.account_id,
    )
    assert start.details["kind"] == "on_demand"
    assert "account_id" in start.details["input"]["keys"]  # type: ignore[index,call-overload]
    (accepted,) = of_type(whole, EventType.UPDATE_ACCEPTED)
    (completed,) = of_type(whole, EventType.UPDATE_COMPLETED)
    assert (accepted.actor, accepted.action) == ("ann", "decide")
    assert (completed.actor, completed.details["update_id"]) == (
        "ann",
        accepted.details["update_id"],
    )
    scheduled = of_type(whole, EventType.ACTIVITY_SCHEDULED)
    ended = of_type(whole, EventType.ACTIVITY_COMPLETED)
    assert [row.action for row in ended] == ["crm.apply_change"] * 2
    assert [row.details["activity_id"] for row in ended] == [
        row.details["activity_id"] for row in scheduled
    ]
    assert all(isinstance(row.details["duration_ms"], int) for row in ended)
    assert {row.actor for row in of_type(whole, EventType.TIMER_STARTED)} == {"worker@host"}
    assert {row.actor for row in of_type(whole, EventType.WORKFLOW_TASK_SCHEDULED)} == {SERVER}
    local = {row.action for row in of_type(whole, EventType.LOCAL_ACTIVITY_RECORDED)}
    assert {"crm.fetch_snapshot", "memory.recall", "store.save_review"} <= local
    assert whole[-1].event_type is EventType.SESSION_ENDED
    assert whole[-1].details["outcome"] == "completed"
    assert whole[-1].details["status"] == "completed"


def test_no_value_of_an_input_is_recorded() -> None:
    text = json.dumps([row.details for row in recorded(review("completed_by_update"))])
    assert "because" not in text, "the reason of the decision"
    assert "Call them" not in text, "the subject of the task"


@pytest.mark.parametrize(
    ("name", "kind", "severity"),
    [
        ("failed_no_data", EventType.SESSION_ENDED, Severity.ERROR),
        ("cancelled_natively", EventType.CANCEL_REQUESTED, Severity.WARNING),
        ("cancelled_natively", EventType.SESSION_ENDED, Severity.WARNING),
        ("sources_down", EventType.ACTIVITY_TIMED_OUT, Severity.WARNING),
        ("sources_down", EventType.LOCAL_ACTIVITY_RECORDED, Severity.ERROR),
        ("nothing_to_do", EventType.SESSION_ENDED, Severity.INFO),
    ],
)
def test_how_bad_it_is(name: str, kind: EventType, severity: Severity) -> None:
    assert severity in {row.severity for row in of_type(recorded(review(name)), kind)}


def test_a_failure_is_told_with_its_causes() -> None:
    timed_out = of_type(recorded(review("sources_down")), EventType.ACTIVITY_TIMED_OUT)
    failure: Any = timed_out[0].details["failure"]
    assert failure["type"] == "schedule_to_close timeout"
    assert failure["causes"][0] == {
        "type": "CrmUnavailableError",
        "message": "The CRM cannot be reached.",
    }
    assert timed_out[0].action == "crm.fetch_snapshot"
    assert timed_out[0].details["retry_state"] == "timeout"


def test_runs_that_go_on_share_a_trace() -> None:
    whole = recorded(review("continued_as_new"))
    kinds = {row.event_type for row in whole}
    assert EventType.SESSION_CONTINUED in kinds
    start: Any = whole[0].details
    assert whole[0].trace_id == trace_of_run(start["first_run_id"])


def test_a_cycle_tells_of_its_reviews() -> None:
    path = HISTORIES / "ReviewCycle" / "completed.1.json"
    whole = recorded(events_of(path), RunKey("default", "cycle/one", "run"))
    started = of_type(whole, EventType.CHILD_STARTED)
    assert started
    assert all(row.resource.startswith("review/") for row in started)
    assert {row.details["outcome"] for row in of_type(whole, EventType.CHILD_ENDED)}
    assert whole[0].tenant != "default"
    assert whole[0].review_id is None


def test_what_the_server_only_shows_is_no_row() -> None:
    """Tasks of updates and of later attempts are shown before they are written."""
    events = review("nothing_to_do")
    shown = HistoryEvent()
    shown.CopyFrom(events[1])
    shown.task_id = 0
    assert not is_durable(shown)
    assert len(recorded([*events[:4], shown, *events[4:]])) == 4


@pytest.mark.parametrize("kind", [kind for kind in Kind.values() if kind])
def test_every_type_of_temporal_is_recorded(kind: Any) -> None:
    name = Kind.Name(kind).removeprefix("EVENT_TYPE_").lower()
    event = HistoryEvent(event_id=1, event_type=kind, task_id=1)
    fields = {field.name for field in HistoryEvent.DESCRIPTOR.oneofs_by_name["attributes"].fields}
    attributes = f"{name}_event_attributes"
    if attributes in fields:
        getattr(event, attributes).SetInParent()
    (row,) = recorded([event])
    assert (row.event_type is EventType.OTHER_EVENT) == (kind not in METHODS)
    if kind not in METHODS:
        assert row.action == name
    assert row.actor


def test_a_type_of_a_newer_server_is_told_by_its_number() -> None:
    (row,) = recorded([HistoryEvent(event_id=1, event_type=9999, task_id=1)])  # type: ignore[arg-type]
    assert (row.event_type, row.action) == (EventType.OTHER_EVENT, "event type 9999")


def test_a_cause_of_a_newer_server_is_told_by_its_number() -> None:
    event = HistoryEvent(event_id=1, event_type=Kind.EVENT_TYPE_WORKFLOW_TASK_FAILED, task_id=1)
    event.workflow_task_failed_event_attributes.cause = 9999  # type: ignore[assignment]
    (row,) = recorded([event])
    assert row.details["cause"] == "9999"


def test_every_end_of_a_run_closes_it() -> None:
    closing = {kind for kind in CLOSING if METHODS.get(kind) is not None}
    assert closing == CLOSING


def test_anything_at_all_can_be_a_signal() -> None:
    passed: list[list[Payload]] = [
        [],
        [Payload()],
        [Payload(metadata={"encoding": b"json/plain"}, data=b"not json")],
        [Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff\x00")],
        [Payload(metadata={"encoding": b"json/plain"}, data=b"[1.5]")] * 2,
        [Payload(metadata={"encoding": b"json/plain"}, data=b'{"by": "b\\u0000b", "x": 1e400}')],
    ]
    for payloads in passed:
        event = HistoryEvent(
            event_id=1,
            event_type=Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
            task_id=1,
        )
        signal = event.workflow_execution_signaled_event_attributes
        signal.signal_name = "odd\0name"
        signal.identity = "me@host"
        signal.input.payloads.extend(payloads)
        (row,) = recorded([event])
        assert "\0" not in row.action
        assert "\0" not in row.actor
        assert not any(isinstance(leaf, float) for leaf in leaves(row.details))
        assert isinstance(row.at, datetime)


def test_who_asked_comes_from_our_client_first() -> None:
    event = HistoryEvent(
        event_id=1, event_type=Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, task_id=1
    )
    signal = event.workflow_execution_signaled_event_attributes
    signal.identity = "me@host"
    data = {"encoding": b"json/plain"}
    signal.input.payloads.append(Payload(metadata=data, data=b'{"by": "bob"}'))
    assert recorded([event])[0].actor == "bob"
    header = Payload(metadata=data, data=b'{"id": "ask-1", "actor": "ann", "trace": null}')
    signal.header.fields["reviews-audit"].CopyFrom(header)
    (row,) = recorded([event])
    assert (row.actor, row.details["request"]) == ("ann", "ask-1")
