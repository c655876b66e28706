"""Which messages a review has come to."""

import pytest
from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.history.asked import asked

SIGNAL = Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
TASK = Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
FAILED = Kind.EVENT_TYPE_WORKFLOW_TASK_FAILED
PAUSED = Kind.EVENT_TYPE_WORKFLOW_EXECUTION_PAUSED


@pytest.mark.parametrize(
    ("kinds", "waits"),
    [
        ((TASK, PAUSED, SIGNAL), [True]),
        ((TASK, SIGNAL, FAILED), [True]),
        ((TASK, SIGNAL, TASK, SIGNAL), [False, True]),
        ((SIGNAL, SIGNAL, TASK), [False, False]),
    ],
)
def test_a_signal_waits_until_a_task_is_done(
    kinds: tuple[Kind.ValueType, ...], waits: list[bool]
) -> None:
    events = [
        HistoryEvent(event_id=number, event_type=kind) for number, kind in enumerate(kinds, 1)
    ]
    for event in events:
        if event.event_type == SIGNAL:
            event.workflow_execution_signaled_event_attributes.signal_name = "submit_decision"
    assert [one.waits for one in asked(events)] == waits
