"""Which method tells which type of history event. One that is not named is told by its name."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.history.event_context import RunContext, RunKey, Told
from account_reviews.audit.history.run_events import RunEvents
from account_reviews.audit.history.work_events import WorkEvents
from account_reviews.domain.audit.redaction import Rules


class _Teller(RunEvents, WorkEvents):
    """All of them."""


TOLD: Final[Mapping[int, Callable[[_Teller, Any], Told]]] = {
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _Teller.started,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _Teller.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _Teller.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _Teller.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _Teller.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _Teller.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: _Teller.continued,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _Teller.signaled,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _Teller.cancel_requested,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: _Teller.update_accepted,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: _Teller.update_completed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: _Teller.task_scheduled,
    Kind.EVENT_TYPE_WORKFLOW_TASK_STARTED: _Teller.task_started,
    Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: _Teller.task_completed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_FAILED: _Teller.task_failed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: _Teller.task_timed_out,
    Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _Teller.activity_scheduled,
    Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED: _Teller.activity_started,
    Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _Teller.activity_completed,
    Kind.EVENT_TYPE_ACTIVITY_TASK_FAILED: _Teller.activity_failed,
    Kind.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _Teller.activity_timed_out,
    Kind.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: _Teller.activity_cancel_requested,
    Kind.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _Teller.activity_canceled,
    Kind.EVENT_TYPE_MARKER_RECORDED: _Teller.marker,
    Kind.EVENT_TYPE_TIMER_STARTED: _Teller.timer_started,
    Kind.EVENT_TYPE_TIMER_FIRED: _Teller.timer_ended,
    Kind.EVENT_TYPE_TIMER_CANCELED: _Teller.timer_ended,
    Kind.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _Teller.child_initiated,
    Kind.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: _Teller.child_start_failed,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED: _Teller.child_started,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: _Teller.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: _Teller.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: _Teller.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: _Teller.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: _Teller.child_ended,
    Kind.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: _Teller.external_signal_initiated,
    Kind.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: _Teller.external_signal_ended,
    Kind.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: _Teller.external_signal_ended,
    Kind.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _Teller.search_attributes,
}


def tell(run: RunKey, event: HistoryEvent, at: datetime, context: RunContext, rules: Rules) -> Told:
    """What the row of this event says."""
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    method = TOLD.get(event.event_type, _Teller.other)
    return method(_Teller(run, event, at, context, rules), attributes)
