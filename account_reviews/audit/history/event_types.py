"""Which method reads which type of history event. One that is not named is recorded by its name."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.history.event_context import RowContent, RunContext, RunKey
from account_reviews.audit.history.run_events import RunEvents
from account_reviews.audit.history.work_events import WorkEvents
from account_reviews.domain.audit.redaction import Rules


class _Row(RunEvents, WorkEvents):
    """All of them."""


METHODS: Final[Mapping[int, Callable[[_Row, Any], RowContent]]] = {
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: _Row.started,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: _Row.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: _Row.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: _Row.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: _Row.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: _Row.ended,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: _Row.continued,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: _Row.signaled,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED: _Row.cancel_requested,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: _Row.update_accepted,
    Kind.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED: _Row.update_completed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: _Row.task_scheduled,
    Kind.EVENT_TYPE_WORKFLOW_TASK_STARTED: _Row.task_started,
    Kind.EVENT_TYPE_WORKFLOW_TASK_COMPLETED: _Row.task_completed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_FAILED: _Row.task_failed,
    Kind.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: _Row.task_timed_out,
    Kind.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: _Row.activity_scheduled,
    Kind.EVENT_TYPE_ACTIVITY_TASK_STARTED: _Row.activity_started,
    Kind.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: _Row.activity_completed,
    Kind.EVENT_TYPE_ACTIVITY_TASK_FAILED: _Row.activity_failed,
    Kind.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: _Row.activity_timed_out,
    Kind.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED: _Row.activity_cancel_requested,
    Kind.EVENT_TYPE_ACTIVITY_TASK_CANCELED: _Row.activity_canceled,
    Kind.EVENT_TYPE_MARKER_RECORDED: _Row.marker,
    Kind.EVENT_TYPE_TIMER_STARTED: _Row.timer_started,
    Kind.EVENT_TYPE_TIMER_FIRED: _Row.timer_ended,
    Kind.EVENT_TYPE_TIMER_CANCELED: _Row.timer_ended,
    Kind.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: _Row.child_initiated,
    Kind.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_FAILED: _Row.child_start_failed,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED: _Row.child_started,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED: _Row.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_FAILED: _Row.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_CANCELED: _Row.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TIMED_OUT: _Row.child_ended,
    Kind.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_TERMINATED: _Row.child_ended,
    Kind.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED: _Row.external_signal_initiated,
    Kind.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED: _Row.external_signal_ended,
    Kind.EVENT_TYPE_EXTERNAL_WORKFLOW_EXECUTION_SIGNALED: _Row.external_signal_ended,
    Kind.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: _Row.search_attributes,
}


def content_of(
    run: RunKey, event: HistoryEvent, at: datetime, context: RunContext, rules: Rules
) -> RowContent:
    """What the row of this event says."""
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    method = METHODS.get(event.event_type, _Row.other)
    return method(_Row(run, event, at, context, rules), attributes)
