"""Updates that a validator refused. They never come into the history; only the worker knows. Pure.

Best effort: the answer leaves the worker before the row is stored.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from temporalio.api.common.v1 import Header
from temporalio.api.failure.v1 import Failure
from temporalio.bridge.proto.workflow_activation import DoUpdate, WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.workflow import Info

from account_reviews.audit.capture.payloads import (
    Details,
    actor_of,
    described,
    failure_of,
    moment,
    named,
    request_of,
    value_of,
)
from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    Severity,
    Source,
    audit_entry_id,
    trace_of_run,
)
from account_reviews.domain.audit.redaction import DEFAULT, Rules
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal import names, search_attributes

_DECIDE: Final = "decide"
_RECORDED: Final = ("request_id", "decision")
"""What is recorded of a refused decision: ids and words, no values."""


def refusals(
    info: Info,
    activation: WorkflowActivation,
    completion: WorkflowActivationCompletion,
    rules: Rules = DEFAULT,
) -> list[AuditEvent]:
    """The rows of the updates that this activation refused; none for most activations."""
    asked = {
        job.do_update.protocol_instance_id: job.do_update
        for job in activation.jobs
        if job.HasField("do_update")
    }
    if not asked:
        return []
    at = moment(activation.timestamp)
    return [
        _row(info, asked[instance], failure, rules, at=at)
        for instance, failure in _rejected(completion)
        if instance in asked
    ]


def _rejected(completion: WorkflowActivationCompletion) -> Iterator[tuple[str, Failure]]:
    """Updates whose first answer is a rejection; after an acceptance it is a failed handler's."""
    accepted: set[str] = set()
    for command in completion.successful.commands:
        if not command.HasField("update_response"):
            continue
        answer = command.update_response
        if answer.HasField("accepted"):
            accepted.add(answer.protocol_instance_id)
        elif answer.HasField("rejected") and answer.protocol_instance_id not in accepted:
            yield answer.protocol_instance_id, answer.rejected


def _row(info: Info, asked: DoUpdate, failure: Failure, rules: Rules, *, at: Any) -> AuditEvent:
    header = Header(fields=dict(asked.headers))
    value = value_of(asked.input)
    account_id, tenant, review_id = _whose(info)
    update_id = asked.meta.update_id or asked.id
    reason = failure_of(failure, rules)
    details: Details = {
        "update": named(asked.name),
        "update_id": named(update_id),
        "code": reason["type"],
        "message": reason["message"],
        "input": described(asked.input, rules),
    }
    if asked.name == _DECIDE and isinstance(value, Mapping):
        details |= {key: named(value[key]) for key in _RECORDED if isinstance(value.get(key), str)}
    if request := request_of(header):
        details["asked_as"] = request
    return AuditEvent(
        event_id=audit_entry_id("refused", info.run_id, update_id, at=at),
        at=at,
        source=Source.CLIENT,
        event_type=(
            EventType.APPROVAL_REFUSED if asked.name == _DECIDE else EventType.UPDATE_REFUSED
        ),
        tenant=tenant,
        actor=actor_of(header, value) or asked.meta.identity or UNKNOWN_ACTOR,
        action=f"update {named(asked.name)} refused",
        resource=info.workflow_id,
        severity=Severity.WARNING,
        review_id=review_id,
        account_id=account_id,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        trace_id=trace_id_of(asked.headers) or trace_of_run(info.first_execution_run_id),
        details=details,
    )


def _whose(info: Info) -> tuple[str | None, str, str | None]:
    """Account id, tenant and review id."""
    try:
        account_id, tenant = names.parse_review_id(info.workflow_id)
    except ValueError:
        shown = info.typed_search_attributes
        tenant = shown.get(search_attributes.TENANT) or names.DEFAULT_TENANT
        if names.is_review_id(info.workflow_id):
            return shown.get(search_attributes.ACCOUNT_ID), tenant, info.workflow_id
        return None, tenant, None
    return account_id, tenant, info.workflow_id
