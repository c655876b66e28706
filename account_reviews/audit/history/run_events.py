"""Events of a run itself: its start and end, the messages it gets, its workflow tasks."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.enums.v1 import TimeoutType, WorkflowTaskFailedCause

from account_reviews.audit.capture.payloads import (
    Details,
    actor_of,
    described,
    digest,
    failure_of,
    named,
    request_of,
    value_of,
    word_of,
)
from account_reviews.audit.history.event_context import (
    ENDS,
    EventRow,
    RowContent,
    identity,
    indexed,
    word,
)
from account_reviews.domain.audit.events import EventType, Severity, trace_of_run
from account_reviews.domain.audit.redaction import redact_text
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal.names import parse_review_id
from account_reviews.temporal.search_attributes import SCHEDULED_AT, SCHEDULED_BY

REVIEW: Final = "AccountReview"


class RunEvents(EventRow):
    """The run, its messages and its workflow tasks."""

    # the run

    def started(self, attributes: Any) -> RowContent:
        value = value_of(attributes.input.payloads)
        given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        self._open_context(attributes, given)
        parent = attributes.parent_workflow_execution
        continued = attributes.continued_execution_run_id
        attributes_of_search = attributes.search_attributes.indexed_fields
        kind = given.get("kind") or given.get("job")
        return RowContent(
            EventType.SESSION_CONTINUED if continued else EventType.SESSION_STARTED,
            self.context.workflow_type,
            {
                "kind": named(kind) if isinstance(kind, str) else None,
                "input": described(attributes.input.payloads, self.rules),
                "first_run_id": attributes.first_execution_run_id or self.run.run_id,
                "continued_run_id": continued or None,
                "original_run_id": attributes.original_execution_run_id or None,
                "parent_workflow_id": named(parent.workflow_id) or None,
                "parent_run_id": parent.run_id or None,
                "schedule_id": indexed(attributes_of_search, SCHEDULED_BY.name),
                "scheduled_at": indexed(attributes_of_search, SCHEDULED_AT.name),
                "task_queue": named(attributes.task_queue.name),
                "attempt": attributes.attempt,
                "identity": identity(attributes),
                "request": request_of(attributes.header),
            },
            actor=self.context.started_by,
        )

    def _open_context(self, attributes: Any, given: Mapping[str, Any]) -> None:
        context, workflow_id = self.context, self.run.workflow_id
        context.workflow_type = named(attributes.workflow_type.name)
        account: object = given.get("account_id")
        tenant: object = given.get("tenant")
        if context.workflow_type == REVIEW:
            context.review_id = named(workflow_id)
            with suppress(ValueError):
                account_of_id, tenant_of_id = parse_review_id(workflow_id)
                account, tenant = account or account_of_id, tenant or tenant_of_id
        if isinstance(account, str):
            context.account_id = named(account)
        if isinstance(tenant, str) and tenant:
            context.tenant = named(tenant)
        first_run = attributes.first_execution_run_id or self.run.run_id
        context.trace_id = trace_id_of(attributes.header.fields) or trace_of_run(first_run)
        actor = actor_of(attributes.header, given)
        context.started_by = actor or identity(attributes)
        context.started_at = self.at.isoformat()

    def ended(self, attributes: Any) -> RowContent:
        how = Kind.Name(self.event.event_type).removeprefix("EVENT_TYPE_WORKFLOW_EXECUTION_")
        status = how.lower()
        details: Details = {
            "status": status,
            "duration_ms": self._since(self.context.started_at),
            "new_run_id": getattr(attributes, "new_execution_run_id", "") or None,
        }
        if status == "completed":
            value = value_of(attributes.result.payloads)
            if isinstance(value, Mapping):
                details |= {key: word(value.get(key)) for key in ("outcome", "phase", "job")}
            details["result_sha256"] = digest(attributes.result.payloads)
        elif status == "terminated":
            details["reason"] = redact_text(attributes.reason, self.rules)
        self._add_failure(details, attributes)
        identity = getattr(attributes, "identity", "")
        return RowContent(
            EventType.SESSION_ENDED,
            self.context.workflow_type,
            details,
            ENDS[status],
            actor=named(identity) or None,
        )

    def continued(self, attributes: Any) -> RowContent:
        details: Details = {
            "new_run_id": attributes.new_execution_run_id,
            "duration_ms": self._since(self.context.started_at),
            "input": described(attributes.input.payloads, self.rules),
        }
        self._add_failure(details, attributes)
        return RowContent(EventType.SESSION_CONTINUED, self.context.workflow_type, details)

    # messages

    def signaled(self, attributes: Any) -> RowContent:
        sender = attributes.external_workflow_execution
        return RowContent(
            EventType.SIGNAL_RECEIVED,
            named(attributes.signal_name),
            self._message(attributes.header, attributes.input.payloads)
            | {
                "identity": identity(attributes),
                "from_workflow_id": named(sender.workflow_id) or None,
                "from_run_id": sender.run_id or None,
            },
            actor=self._asked_by(attributes.header, attributes.input.payloads)
            or named(attributes.identity),
        )

    def update_accepted(self, attributes: Any) -> RowContent:
        request = attributes.accepted_request
        message = request.input
        actor = self._asked_by(message.header, message.args.payloads)
        actor = actor or named(request.meta.identity) or None
        name = named(message.name)
        update_id = named(request.meta.update_id or attributes.protocol_instance_id)
        self.context.begin(self.event.event_id, name, self.at, id=update_id, actor=actor)
        details = self._message(message.header, message.args.payloads)
        details |= {"update_id": update_id, "identity": named(request.meta.identity) or None}
        return RowContent(EventType.UPDATE_ACCEPTED, name, details, actor=actor)

    def update_completed(self, attributes: Any) -> RowContent:
        begun = self.context.end(attributes.accepted_event_id)
        outcome = attributes.outcome
        details: Details = {
            "update_id": named(attributes.meta.update_id),
            "accepted_event": attributes.accepted_event_id,
            "duration_ms": self._duration(begun),
        }
        failed = outcome.HasField("failure")
        if failed:
            details["failure"] = failure_of(outcome.failure, self.rules)
        else:
            details["result_sha256"] = digest(outcome.success.payloads)
        return RowContent(
            EventType.UPDATE_COMPLETED,
            begun.name if begun else "update",
            details,
            Severity.ERROR if failed else Severity.INFO,
            actor=begun.actor if begun else None,
        )

    def cancel_requested(self, attributes: Any) -> RowContent:
        sender = attributes.external_workflow_execution
        details: Details = {
            "reason": redact_text(attributes.cause, self.rules) or None,
            "from_workflow_id": named(sender.workflow_id) or None,
        }
        actor = identity(attributes)
        return RowContent(EventType.CANCEL_REQUESTED, "cancel", details, Severity.WARNING, actor)

    # workflow tasks

    def task_scheduled(self, attributes: Any) -> RowContent:
        self.context.begin(self.event.event_id, "workflow task", self.at)
        details: Details = {
            "attempt": attributes.attempt,
            "task_queue": named(attributes.task_queue.name),
        }
        return RowContent(EventType.WORKFLOW_TASK_SCHEDULED, "workflow task", details)

    def task_started(self, attributes: Any) -> RowContent:
        self._pick_up(attributes)
        return self._task(EventType.WORKFLOW_TASK_STARTED, attributes, {})

    def task_completed(self, attributes: Any) -> RowContent:
        self.context.worker = identity(attributes)
        details: Details = {"duration_ms": self._ended_after(attributes)}
        return self._task(EventType.WORKFLOW_TASK_COMPLETED, attributes, details)

    def task_failed(self, attributes: Any) -> RowContent:
        prefix = "WORKFLOW_TASK_FAILED_CAUSE_"
        details: Details = {
            "cause": word_of(WorkflowTaskFailedCause, attributes.cause, prefix),
            "duration_ms": self._ended_after(attributes),
            "new_run_id": attributes.new_run_id or None,
        }
        self._add_failure(details, attributes)
        unhandled = attributes.cause == (
            WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
        )
        severity = Severity.WARNING if unhandled else Severity.ERROR
        return self._task(EventType.WORKFLOW_TASK_FAILED, attributes, details, severity)

    def task_timed_out(self, attributes: Any) -> RowContent:
        details: Details = {
            "timeout": _timeout(attributes.timeout_type),
            "duration_ms": self._ended_after(attributes),
        }
        kind = EventType.WORKFLOW_TASK_TIMED_OUT
        return self._task(kind, attributes, details, Severity.WARNING)

    def _task(
        self, kind: EventType, attributes: Any, more: Details, severity: Severity = Severity.INFO
    ) -> RowContent:
        details: Details = {"scheduled_event": attributes.scheduled_event_id, **more}
        actor = identity(attributes)
        return RowContent(kind, "workflow task", details, severity, actor)


def _timeout(kind: Any) -> str:
    return word_of(TimeoutType, kind, "TIMEOUT_TYPE_")
