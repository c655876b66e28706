"""The events of a workflow's history as rows of the trail: pure, and one row per event.

What later events refer to is kept in a context, so that a long history can be read in steps and
gives the same rows wherever the steps lie. `event_types` says what is recorded of each type.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from temporalio.api.enums.v1 import EventType as Kind
from temporalio.api.history.v1 import HistoryEvent

from account_reviews.audit.capture.payloads import moment, named
from account_reviews.audit.history.event_context import RowContent, RunContext, RunKey
from account_reviews.audit.history.event_types import content_of
from account_reviews.domain.audit.events import AuditEvent, Source, history_event_id
from account_reviews.domain.audit.redaction import Rules

SERVER: Final = "temporal"
"""The actor of what the server did by itself: timers that fire, tasks that it hands out."""

CLOSING: Final = frozenset(
    {
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
        Kind.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)
"""The last event of a run is one of these."""


def is_durable(event: HistoryEvent) -> bool:
    """False for a workflow task that the server only shows: it may vanish or come otherwise.

    The tasks of updates and of repeated attempts are added to what a reader gets before they are
    written; only written events have a task id.
    """
    return event.task_id > 0


def rows(
    run: RunKey, events: Iterable[HistoryEvent], context: RunContext, rules: Rules
) -> list[AuditEvent]:
    """One row per event, in order; `context` moves along. Stops at the first that may change."""
    made: list[AuditEvent] = []
    for event in events:
        if not is_durable(event):
            break
        at = moment(event.event_time)
        content = content_of(run, event, at, context, rules)
        made.append(_row(run, event, at, context, content))
    return made


def _row(
    run: RunKey, event: HistoryEvent, at: datetime, context: RunContext, content: RowContent
) -> AuditEvent:
    workflow_id = named(run.workflow_id)
    return AuditEvent(
        event_id=history_event_id(run.namespace, workflow_id, run.run_id, event.event_id),
        at=at,
        source=Source.HISTORY,
        event_type=content.event_type,
        tenant=context.tenant,
        actor=content.actor or _decided_by(event, context) or SERVER,
        action=content.action,
        resource=content.resource or workflow_id,
        severity=content.severity,
        review_id=context.review_id,
        account_id=context.account_id,
        workflow_id=workflow_id,
        run_id=run.run_id,
        trace_id=context.trace_id,
        details={key: value for key, value in content.details.items() if value is not None},
    )


def _decided_by(event: HistoryEvent, context: RunContext) -> str | None:
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    decided = getattr(attributes, "workflow_task_completed_event_id", 0)
    return context.worker if decided else None
