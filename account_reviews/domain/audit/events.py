"""What the audit trail says: one row per event, each with an id of its own that never changes."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

JsonValue = str | int | bool | None | list[Any] | dict[str, Any]
"""What details are made of. No fractions: they read back differently from different stores."""


class Source(StrEnum):
    """Who knows the event, and so how it is proved complete."""

    HISTORY = "history"
    """An event of a workflow's history: as many rows as events."""
    ATTEMPT = "attempt"
    """A try of an activity: no start without an end."""
    FACT = "fact"
    """An entry, written with the data it is about in one transaction."""
    CLIENT = "client"
    """Who asked for what, and who was refused: known only where it was asked."""


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


class EventType(StrEnum):
    """Every kind of row. The names of the first block are agreed; none is ever renamed."""

    SESSION_STARTED = "session_started"
    SESSION_ENDED = "session_ended"
    TOOL_INVOCATION = "tool_invocation"
    TOOL_SUCCESS = "tool_success"
    TOOL_ERROR = "tool_error"
    TASK_STARTED = "task_started"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    AUTHENTICATION = "authentication"
    AUTHORIZATION = "authorization"
    PERMISSION_DENIED = "permission_denied"
    DATA_ACCESS = "data_access"
    DATA_MODIFICATION = "data_modification"
    RECOMMENDATION = "recommendation"
    RECOMMENDATION_GENERATED = "recommendation_generated"
    RECOMMENDATION_IMPLEMENTED = "recommendation_implemented"
    CRM_READ = "crm_read"
    CRM_WRITE = "crm_write"
    ERROR_OCCURRED = "error_occurred"
    CONFIGURATION_CHANGED = "configuration_changed"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_REMINDER = "approval_reminder"
    APPROVAL_ESCALATED = "approval_escalated"
    APPROVAL_DECIDED = "approval_decided"
    APPROVAL_REFUSED = "approval_refused"
    APPROVAL_EXPIRED = "approval_expired"
    APPROVAL_SUPERSEDED = "approval_superseded"

    PHASE_CHANGED = "phase_changed"
    REVIEW_NOTE = "review_note"
    """Any other line of a review's timeline; `action` says which."""
    REQUEST_MADE = "request_made"
    """A message, start or cancel that somebody sent through our client; `action` says which."""
    UPDATE_REFUSED = "update_refused"
    NOTICE_SENT = "notice_sent"
    """Somebody was notified; `action` says of what."""
    WRITES_HALTED = "writes_halted"
    WRITES_RELEASED = "writes_released"
    SCHEDULE_CREATED = "schedule_created"
    SCHEDULE_UPDATED = "schedule_updated"
    SCHEDULE_DELETED = "schedule_deleted"
    SCHEDULE_PAUSED = "schedule_paused"
    SCHEDULE_RESUMED = "schedule_resumed"
    SCHEDULE_TRIGGERED = "schedule_triggered"
    SCHEDULE_BACKFILLED = "schedule_backfilled"
    SCHEDULE_FIRED = "schedule_fired"
    SCHEDULE_MISSED = "schedule_missed"
    AUDIT_PARTITION_ARCHIVED = "audit_partition_archived"
    AUDIT_PARTITION_DROPPED = "audit_partition_dropped"
    REVIEW_ARCHIVED = "review_archived"
    """The rows of a closed review made room; its archive has the hash that is named."""
    DATA_ERASED = "data_erased"
    """A person or an account was forgotten; who that was is not said."""
    CRM_EVENT = "crm_event"
    """The CRM said that records have changed, and what followed; `action` says which."""
    WEBHOOK_REFUSED = "webhook_refused"
    """Requests whose proof did not hold; `details` counts them."""
    AUDIT_GAP = "audit_gap"
    """A history that was gone before it could be read whole."""

    SESSION_CONTINUED = "session_continued"
    SIGNAL_RECEIVED = "signal_received"
    CANCEL_REQUESTED = "cancel_requested"
    UPDATE_ACCEPTED = "update_accepted"
    UPDATE_COMPLETED = "update_completed"
    ACTIVITY_SCHEDULED = "activity_scheduled"
    ACTIVITY_STARTED = "activity_started"
    ACTIVITY_COMPLETED = "activity_completed"
    ACTIVITY_FAILED = "activity_failed"
    ACTIVITY_TIMED_OUT = "activity_timed_out"
    ACTIVITY_CANCEL_REQUESTED = "activity_cancel_requested"
    ACTIVITY_CANCELED = "activity_canceled"
    LOCAL_ACTIVITY_RECORDED = "local_activity_recorded"
    MARKER_RECORDED = "marker_recorded"
    TIMER_STARTED = "timer_started"
    TIMER_FIRED = "timer_fired"
    TIMER_CANCELED = "timer_canceled"
    WORKFLOW_TASK_SCHEDULED = "workflow_task_scheduled"
    WORKFLOW_TASK_STARTED = "workflow_task_started"
    WORKFLOW_TASK_COMPLETED = "workflow_task_completed"
    WORKFLOW_TASK_FAILED = "workflow_task_failed"
    WORKFLOW_TASK_TIMED_OUT = "workflow_task_timed_out"
    CHILD_INITIATED = "child_initiated"
    CHILD_STARTED = "child_started"
    CHILD_START_FAILED = "child_start_failed"
    CHILD_ENDED = "child_ended"
    EXTERNAL_SIGNAL_INITIATED = "external_signal_initiated"
    EXTERNAL_SIGNAL_DELIVERED = "external_signal_delivered"
    EXTERNAL_SIGNAL_FAILED = "external_signal_failed"
    SEARCH_ATTRIBUTES_UPDATED = "search_attributes_updated"
    OTHER_EVENT = "other_event"
    """A history event of a kind that is not named here; `action` holds Temporal's name."""


BUSINESS: Final = frozenset(
    {
        EventType.SESSION_STARTED, EventType.SESSION_ENDED, EventType.AUTHENTICATION,
        EventType.PERMISSION_DENIED,
        EventType.DATA_MODIFICATION, EventType.RECOMMENDATION_GENERATED,
        EventType.RECOMMENDATION_IMPLEMENTED, EventType.CRM_WRITE, EventType.ERROR_OCCURRED,
        EventType.CONFIGURATION_CHANGED, EventType.APPROVAL_REQUESTED,
        EventType.APPROVAL_REMINDER, EventType.APPROVAL_ESCALATED, EventType.APPROVAL_DECIDED,
        EventType.APPROVAL_REFUSED, EventType.APPROVAL_EXPIRED, EventType.APPROVAL_SUPERSEDED,
        EventType.REVIEW_NOTE, EventType.REQUEST_MADE, EventType.UPDATE_REFUSED,
        EventType.NOTICE_SENT, EventType.WRITES_HALTED, EventType.WRITES_RELEASED,
        EventType.SCHEDULE_CREATED, EventType.SCHEDULE_UPDATED, EventType.SCHEDULE_DELETED,
        EventType.SCHEDULE_PAUSED, EventType.SCHEDULE_RESUMED, EventType.SCHEDULE_TRIGGERED,
        EventType.SCHEDULE_BACKFILLED, EventType.SCHEDULE_FIRED, EventType.SCHEDULE_MISSED,
        EventType.AUDIT_PARTITION_ARCHIVED, EventType.AUDIT_PARTITION_DROPPED,
        EventType.REVIEW_ARCHIVED, EventType.DATA_ERASED, EventType.CRM_EVENT,
        EventType.WEBHOOK_REFUSED, EventType.AUDIT_GAP,
    }
)  # fmt: skip
"""What people did and what came of it. The others say how machines brought that about, and who
read what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One row. `event_id` and `at` are fixed by what happened: recording it twice adds nothing.

    `at` is when it happened, in UTC. `review_id` and `account_id` stand where they are known.
    """

    event_id: str
    at: datetime
    source: Source
    event_type: EventType
    tenant: str
    actor: str
    action: str
    resource: str
    severity: Severity = Severity.INFO
    review_id: str | None = None
    account_id: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    trace_id: str | None = None
    """32 hex digits."""
    details: dict[str, JsonValue] = field(default_factory=dict)


UNKNOWN_ACTOR: Final = "unknown"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def history_event_id(namespace: str, workflow_id: str, run_id: str, event_id: int) -> str:
    """The id of the row of a history event."""
    return f"{namespace}/{workflow_id}/{run_id}/{event_id}"


def attempt_id(
    run_id: str, activity_id: str, attempt: int, edge: str, *, since: datetime | None = None
) -> str:
    """The id of the row of a try's `start` or `end`. Attempts count from 1.

    They count anew when somebody resets the activity in Temporal, and those of a local one when a
    workflow task is done again, after a crash for example. `since` keeps their ids apart: when
    this attempt was scheduled, or when the try of a local activity began:
    `{run}/{activity}@{microseconds since 1970}/{attempt}/{edge}`. Rows of earlier releases have
    none, but those of local activities.
    """
    if since is not None:
        activity_id = _when(activity_id, since)
    return f"{run_id}/{activity_id}/{attempt}/{edge}"


def write_id(operation_id: str) -> str:
    """The id of the row of one CRM write."""
    return f"write/{operation_id}"


def audit_entry_id(kind: str, *parts: object, at: datetime | None = None) -> str:
    """The id of an entry of ours.

    An id stands for one row, so an entry that can come again at another time needs its time (`at`)
    in it: `{kind}/{parts}@{microseconds since 1970}`.
    """
    found = "/".join((kind, *(str(part) for part in parts)))
    return found if at is None else _when(found, at)


def _when(name: str, at: datetime) -> str:
    return f"{name}@{(at - _EPOCH) // timedelta(microseconds=1)}"


def trace_of_run(run_id: str) -> str:
    """The trace of a run nobody gave one: the run id itself, which has as many bits."""
    return run_id.replace("-", "").lower()[:32].ljust(32, "0")
