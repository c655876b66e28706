"""Events of what a run does: activities, timers, other workflows, search attributes."""

from collections.abc import Mapping
from typing import Any, Final

from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.enums.v1 import RetryState

from account_reviews.audit.capture.payloads import (
    Details,
    described,
    digest,
    failure_of,
    named,
    seconds_of,
    value_of,
    word_of,
)
from account_reviews.audit.history.event_context import (
    ENDS,
    Begun,
    EventRow,
    RowContent,
    identity,
    whole,
    word,
)
from account_reviews.domain.audit.events import EventType, Severity
from account_reviews.domain.audit.redaction import redact

_LOCAL_ACTIVITY: Final = "core_local_activity"
_KINDS: Final = frozenset(Kind.values())


class WorkEvents(EventRow):
    """What the run does."""

    # activities

    def activity_scheduled(self, attributes: Any) -> RowContent:
        name, activity_id = named(attributes.activity_type.name), named(attributes.activity_id)
        self.context.begin(self.event.event_id, name, self.at, id=activity_id)
        details: Details = {
            "activity_id": activity_id,
            "input": described(attributes.input.payloads, self.rules),
            "summary": self._summary() if self.rules.values == "masked" else None,
            "task_queue": named(attributes.task_queue.name),
            "start_to_close_seconds": seconds_of(attributes.start_to_close_timeout),
        }
        return RowContent(EventType.ACTIVITY_SCHEDULED, name, details)

    def activity_started(self, attributes: Any) -> RowContent:
        begun = self._pick_up(attributes)
        details: Details = {"attempt": attributes.attempt}
        if attributes.HasField("last_failure"):
            details["last_failure"] = failure_of(attributes.last_failure, self.rules)
        return self._activity(EventType.ACTIVITY_STARTED, attributes, begun, details)

    def activity_completed(self, attributes: Any) -> RowContent:
        result = digest(attributes.result.payloads)
        return self._activity_ended(
            EventType.ACTIVITY_COMPLETED, attributes, {"result_sha256": result}
        )

    def activity_failed(self, attributes: Any) -> RowContent:
        kind = EventType.ACTIVITY_FAILED
        return self._activity_ended(kind, attributes, {}, Severity.ERROR)

    def activity_timed_out(self, attributes: Any) -> RowContent:
        kind = EventType.ACTIVITY_TIMED_OUT
        return self._activity_ended(kind, attributes, {}, Severity.WARNING)

    def activity_cancel_requested(self, attributes: Any) -> RowContent:
        begun = self.context.find(attributes.scheduled_event_id)
        kind = EventType.ACTIVITY_CANCEL_REQUESTED
        return self._activity(kind, attributes, begun, {}, Severity.WARNING)

    def activity_canceled(self, attributes: Any) -> RowContent:
        kind = EventType.ACTIVITY_CANCELED
        return self._activity_ended(kind, attributes, {}, Severity.WARNING)

    def _activity_ended(
        self, kind: EventType, attributes: Any, more: Details, severity: Severity = Severity.INFO
    ) -> RowContent:
        begun = self.context.end(attributes.scheduled_event_id)
        details: Details = {"duration_ms": self._duration(begun), **more}
        if getattr(attributes, "retry_state", 0):
            state = attributes.retry_state
            details["retry_state"] = word_of(RetryState, state, "RETRY_STATE_")
        self._add_failure(details, attributes)
        return self._activity(kind, attributes, begun, details, severity)

    def _activity(
        self,
        kind: EventType,
        attributes: Any,
        begun: Begun | None,
        more: Details,
        severity: Severity = Severity.INFO,
    ) -> RowContent:
        details: Details = {
            "activity_id": begun.id if begun else None,
            "scheduled_event": attributes.scheduled_event_id,
            **more,
        }
        actor = identity(attributes)
        return RowContent(kind, begun.name if begun else "activity", details, severity, actor)

    def marker(self, attributes: Any) -> RowContent:
        data = attributes.details.get("data")
        value = value_of(data.payloads) if data is not None else None
        if attributes.marker_name != _LOCAL_ACTIVITY or not isinstance(value, Mapping):
            details = {key: described(one.payloads, self.rules) for key, one in _sorted(attributes)}
            return RowContent(EventType.MARKER_RECORDED, named(attributes.marker_name), details)
        failed = attributes.HasField("failure")
        details = {
            "activity_id": word(value.get("activity_id")),
            "attempt": whole(value.get("attempt")),
            "completed_at": _seconds_and_nanos(value.get("complete_time")),
            "summary": self._summary() if self.rules.values == "masked" else None,
        }
        result = attributes.details.get("result")
        if result is not None:
            details["result_sha256"] = digest(result.payloads)
        self._add_failure(details, attributes)
        return RowContent(
            EventType.LOCAL_ACTIVITY_RECORDED,
            word(value.get("activity_type")) or "activity",
            details,
            Severity.ERROR if failed else Severity.INFO,
        )

    # timers

    def timer_started(self, attributes: Any) -> RowContent:
        name = self._summary() or "timer"
        self.context.begin(self.event.event_id, name, self.at)
        details: Details = {
            "timer_id": named(attributes.timer_id),
            "seconds": seconds_of(attributes.start_to_fire_timeout),
        }
        return RowContent(EventType.TIMER_STARTED, name, details)

    def timer_ended(self, attributes: Any) -> RowContent:
        fired = self.event.event_type == Kind.EVENT_TYPE_TIMER_FIRED
        begun = self.context.end(attributes.started_event_id)
        details: Details = {
            "timer_id": named(attributes.timer_id),
            "started_event": attributes.started_event_id,
            "duration_ms": self._duration(begun),
        }
        kind = EventType.TIMER_FIRED if fired else EventType.TIMER_CANCELED
        return RowContent(kind, begun.name if begun else "timer", details)

    # other workflows

    def child_initiated(self, attributes: Any) -> RowContent:
        name = named(attributes.workflow_type.name)
        self.context.begin(self.event.event_id, name, self.at)
        details: Details = {"input": described(attributes.input.payloads, self.rules)}
        child = named(attributes.workflow_id)
        return RowContent(EventType.CHILD_INITIATED, name, details, resource=child)

    def child_started(self, attributes: Any) -> RowContent:
        return self._child(EventType.CHILD_STARTED, attributes, {})

    def child_start_failed(self, attributes: Any) -> RowContent:
        self.context.end(attributes.initiated_event_id)
        return RowContent(
            EventType.CHILD_START_FAILED,
            named(attributes.workflow_type.name),
            {"initiated_event": attributes.initiated_event_id, "cause": _cause(attributes)},
            Severity.ERROR,
            resource=named(attributes.workflow_id),
        )

    def child_ended(self, attributes: Any) -> RowContent:
        begun = self.context.end(attributes.initiated_event_id)
        name = Kind.Name(self.event.event_type)
        status = name.removeprefix("EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_").lower()
        details: Details = {"status": status, "duration_ms": self._duration(begun)}
        if status == "completed":
            value = value_of(attributes.result.payloads)
            if isinstance(value, Mapping):
                details["outcome"] = word(value.get("outcome"))
            details["result_sha256"] = digest(attributes.result.payloads)
        self._add_failure(details, attributes)
        return self._child(EventType.CHILD_ENDED, attributes, details, ENDS[status])

    def _child(
        self, kind: EventType, attributes: Any, more: Details, severity: Severity = Severity.INFO
    ) -> RowContent:
        child = attributes.workflow_execution
        return RowContent(
            kind,
            named(attributes.workflow_type.name),
            {
                "child_run_id": child.run_id,
                "initiated_event": attributes.initiated_event_id,
                **more,
            },
            severity,
            resource=named(child.workflow_id),
        )

    def external_signal_initiated(self, attributes: Any) -> RowContent:
        name = named(attributes.signal_name)
        self.context.begin(self.event.event_id, name, self.at)
        details: Details = {"input": described(attributes.input.payloads, self.rules)}
        return self._external(EventType.EXTERNAL_SIGNAL_INITIATED, name, attributes, details)

    def external_signal_ended(self, attributes: Any) -> RowContent:
        begun = self.context.end(attributes.initiated_event_id)
        failed = hasattr(attributes, "cause")
        details: Details = {"initiated_event": attributes.initiated_event_id}
        if failed:
            details["cause"] = _cause(attributes)
        kind = EventType.EXTERNAL_SIGNAL_FAILED if failed else EventType.EXTERNAL_SIGNAL_DELIVERED
        name = begun.name if begun else "signal"
        severity = Severity.ERROR if failed else Severity.INFO
        return self._external(kind, name, attributes, details, severity)

    def _external(
        self,
        kind: EventType,
        name: str,
        attributes: Any,
        details: Details,
        severity: Severity = Severity.INFO,
    ) -> RowContent:
        target = attributes.workflow_execution
        details = {"to_run_id": target.run_id or None, **details}
        return RowContent(kind, name, details, severity, resource=named(target.workflow_id))

    def search_attributes(self, attributes: Any) -> RowContent:
        fields = attributes.search_attributes.indexed_fields
        shown = {named(name): value_of([fields[name]]) for name in sorted(fields)}
        details: Details = {"attributes": redact(shown, self.rules)}
        return RowContent(EventType.SEARCH_ATTRIBUTES_UPDATED, "upsert", details)

    def other(self, attributes: Any) -> RowContent:
        name = Kind.Name(self.event.event_type) if self.event.event_type in _KINDS else ""
        short = name.removeprefix("EVENT_TYPE_").lower() or f"event type {self.event.event_type}"
        details: Details = {}
        self._add_failure(details, attributes)
        severity = Severity.ERROR if "failure" in details else Severity.INFO
        actor = identity(attributes)
        return RowContent(EventType.OTHER_EVENT, short, details, severity, actor)


def _seconds_and_nanos(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    seconds, nanos = whole(value.get("seconds")), whole(value.get("nanos"))
    return None if seconds is None or nanos is None else f"{seconds}.{nanos:09}"


def _sorted(attributes: Any) -> list[tuple[str, Any]]:
    return [(named(key), attributes.details[key]) for key in sorted(attributes.details)]


def _cause(attributes: Any) -> str:
    field = attributes.DESCRIPTOR.fields_by_name["cause"]
    name: str = field.enum_type.values_by_number[attributes.cause].name
    return name.partition("_CAUSE_")[2].lower() or name.lower()
