"""Each try of an activity as two rows: its start and its end. A read of the CRM is a third one.

Only notes are taken while the activity runs; rows are made from them in the background.
Recording never delays or fails a try. A process that dies leaves a start without an end, which the
reconciler closes as lost.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from account_reviews.audit.capture.crm_writes import Write, write_row
from account_reviews.audit.capture.log import AuditLog
from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    JsonValue,
    Severity,
    Source,
    attempt_id,
    audit_entry_id,
    trace_of_run,
)
from account_reviews.domain.audit.redaction import Rules, describe, redact_text
from account_reviews.domain.canonical import hash_of, rfc3339, spelled
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.outbox_rows import current_trace
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal import names
from account_reviews.temporal.failures import error_type

CRM_READS: Final = (
    "crm.fetch_snapshot", "crm.read_back", "cycles.list_accounts", "cycles.read_accounts",
)  # fmt: skip
"""Activities that read the CRM: each that succeeds is a row `crm_read` too."""

_START, _END = "start", "end"
_RECORDS_NAMED: Final = 50
_NAMED: Final = frozenset({"hash", "fetched_at", "items", "selected", "placed", "left", "status"})
"""Fields of a result that are recorded: what was read, in numbers and hashes."""
Details = dict[str, JsonValue]


class AttemptInterceptor(Interceptor):
    """Records every try of an activity. `identity` is the worker's: who did it.

    Client side: none. Workflow side: none. Activity side: notes when a try begins and how it ends,
    for two rows and a third when the CRM was read or written, and sets the trace that entries
    written inside belong to. Results and errors pass through unchanged.
    """

    def __init__(self, log: AuditLog, rules: Rules, identity: str = UNKNOWN_ACTOR) -> None:
        self.log = log
        self.rules = rules
        self.identity = identity

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Attempts(next, self)


@dataclass(slots=True)
class _Try:
    """What is noted of a try when it begins."""

    info: activity.Info
    args: Sequence[Any]
    headers: Mapping[str, Payload]
    identity: str
    rules: Rules
    at: datetime
    clock: float
    subject: "_Subject | None" = None


class _Subject(NamedTuple):
    """Whose review it was."""

    tenant: str
    account_id: str | None
    review_id: str | None
    trace: str


@dataclass(frozen=True, slots=True)
class _Ended:
    """What is noted when it ends: a result or an error."""

    at: datetime
    clock: float
    result: Any = None
    error: BaseException | None = None
    cancel_reasons: tuple[str, ...] = ()


class _Attempts(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, root: AttemptInterceptor) -> None:
        super().__init__(next)
        self._root = root

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        root = self._root
        begun = _Try(
            activity.info(),
            input.args,
            input.headers,
            root.identity,
            root.rules,
            datetime.now(UTC),
            time.perf_counter(),
        )
        root.log.put(partial(start_row, begun))
        current_trace.set(trace_id_of(input.headers))
        try:
            result = await super().execute_activity(input)
        except BaseException as error:
            reasons = _cancel_reasons() if _is_cancel(error) else ()
            ended = _Ended(_now(), time.perf_counter(), error=error, cancel_reasons=reasons)
            root.log.put(partial(end_row, begun, ended))
            raise
        ended = _Ended(_now(), time.perf_counter(), result=result)
        root.log.put(partial(end_row, begun, ended))
        if begun.info.activity_type in CRM_READS:
            root.log.put(partial(read_row, begun, ended))
        elif isinstance(result, ApplyResult) and result.applied_at is not None:
            root.log.put(partial(written_row, begun, ended))
        return result


def start_row(begun: _Try) -> AuditEvent:
    """The try began: what was asked, as keys and a hash."""
    tool = begun.info.activity_type.startswith(names.TOOLS)
    kind = EventType.TOOL_INVOCATION if tool else EventType.TASK_STARTED
    details = _common(begun)
    if begun.args:
        details["input"] = _input(begun)
    limit = begun.info.start_to_close_timeout
    if limit is not None:
        details["start_to_close_seconds"] = str(limit.total_seconds())
    if not begun.info.is_local:
        details["scheduled_at"] = rfc3339(begun.info.current_attempt_scheduled_time)
    return _row(begun, kind, _START, begun.at, details)


def end_row(begun: _Try, ended: _Ended) -> AuditEvent:
    """The try ended: how, and after how long."""
    tool = begun.info.activity_type.startswith(names.TOOLS)
    details = _common(begun) | {"duration_ms": round((ended.clock - begun.clock) * 1000)}
    if ended.error is None:
        kind = EventType.TOOL_SUCCESS if tool else EventType.TASK_COMPLETED
        return _row(begun, kind, _END, ended.at, details | _read(begun, ended.result))
    kind = EventType.TOOL_ERROR if tool else EventType.TASK_FAILED
    severity = Severity.WARNING if _is_cancel(ended.error) else Severity.ERROR
    details |= _failure(ended.error, begun.rules)
    if ended.cancel_reasons:
        details["cancel_reasons"] = list(ended.cancel_reasons)
    return _row(begun, kind, _END, ended.at, details, severity)


def read_row(begun: _Try, ended: _Ended) -> AuditEvent:
    """The CRM was read: of which account, and what came of it."""
    row = _row(begun, EventType.CRM_READ, _END, ended.at, _read(begun, ended.result))
    return replace(
        row,
        event_id=audit_entry_id("crm_read", row.event_id.removesuffix(f"/{_END}")),
        source=Source.FACT,
    )


def written_row(begun: _Try, ended: _Ended) -> AuditEvent:
    """The CRM was written. The ledger of operations gives the same row."""
    call, result = begun.args[0], ended.result
    write = Write(
        operation_id=call.operation_id,
        change_id=call.change.change_id,
        action=call.change.action.value,
        account_id=call.change.account_id,
        tenant=call.tenant,
        record=result.record.model_dump(mode="json"),
        before=result.before,
        after=result.current,
        at=result.applied_at,
        approved_by=call.approved_by,
        trace=trace_id_of(begun.headers),
        review_id=begun.info.workflow_id,
        version_check=result.version_check,
    )
    return write_row(write, begun.rules)


def _row(
    begun: _Try,
    kind: EventType,
    edge: str,
    at: datetime,
    details: Details,
    severity: Severity = Severity.INFO,
) -> AuditEvent:
    info = begun.info
    run_id = info.workflow_run_id or info.activity_run_id or ""
    subject = begun.subject = begun.subject or _subject(begun, run_id)
    return AuditEvent(
        event_id=attempt_id(
            run_id,
            info.activity_id,
            info.attempt,
            edge,
            since=begun.at if info.is_local else info.current_attempt_scheduled_time,
        ),
        at=at,
        source=Source.ATTEMPT,
        event_type=kind,
        tenant=subject.tenant,
        actor=begun.identity,
        action=f"{info.activity_type} {edge}",
        resource=subject.account_id or info.workflow_id or info.activity_type,
        severity=severity,
        review_id=subject.review_id,
        account_id=subject.account_id,
        workflow_id=info.workflow_id,
        run_id=run_id,
        trace_id=subject.trace,
        details=details,
    )


def _common(begun: _Try) -> Details:
    info = begun.info
    return {
        "activity": info.activity_type,
        "activity_id": info.activity_id,
        "attempt": info.attempt,
        "local": info.is_local,
        "workflow_type": info.workflow_type,
    }


def _subject(begun: _Try, run_id: str) -> _Subject:
    """From the workflow id, else from the words of the input."""
    asked = _fields(begun.args[0]) if begun.args else {}
    asked = _fields(asked["opening"]) if "opening" in asked else asked
    trace = trace_id_of(begun.headers)
    try:
        account_id, tenant = names.parse_review_id(begun.info.workflow_id or "")
    except ValueError:
        inner = _fields(asked.get("state"))
        named = _word(asked, "tenant") or _word(inner, "tenant") or names.DEFAULT_TENANT
        workflow_id = begun.info.workflow_id or ""
        review_id = workflow_id if names.is_review_id(workflow_id) else None
        account = _word(asked, "account_id") or _word(_fields(asked.get("change")), "account_id")
        return _Subject(named, account, review_id, trace or trace_of_run(run_id))
    trace = trace or trace_of_run(_word(asked, "run_id") or run_id)
    return _Subject(tenant, account_id, begun.info.workflow_id, trace)


def _read(begun: _Try, result: Any) -> Details:
    """What a read gave, where its result says so."""
    details: Details = {}
    found = _fields(result)
    for key in _NAMED.intersection(found):
        value = found[key]
        if isinstance(value, datetime):
            details[key] = rfc3339(value)
        elif isinstance(value, str | int):
            details[key] = value
    writes = _fields(begun.args[0]).get("writes") if begun.args else None
    if isinstance(writes, Sequence):
        details["records"] = [
            f"{write.record.type}/{write.record.id}" for write in writes[:_RECORDS_NAMED]
        ]
    return details


def _input(begun: _Try) -> Details:
    """Keys and hash of the input: only the keys of the first level, since states are large."""
    values = [_value(arg) for arg in begun.args]
    value = values[0] if len(values) == 1 else values
    if begun.rules.values == "masked" or not isinstance(value, dict):
        return dict(describe(value, begun.rules))
    try:
        return {"keys": sorted(value), "sha256": hash_of(spelled(value))}
    except (TypeError, ValueError):  # no plain JSON
        return dict(describe(value, begun.rules))


def _fields(value: object) -> Mapping[str, Any]:
    """What a model or an object holds, by name."""
    if isinstance(value, Mapping):
        return value
    return getattr(value, "__dict__", {})


def _word(fields: Mapping[str, Any], key: str) -> str | None:
    found = fields.get(key)
    return found if isinstance(found, str) and found else None


def _failure(error: BaseException, rules: Rules) -> Details:
    retryable = True
    if isinstance(error, ApplicationError):
        retryable = not error.non_retryable
    elif isinstance(error, ReviewsError):
        retryable = error.retryable
    return {
        "error_type": "Cancelled" if _is_cancel(error) else error_type(error),
        "message": redact_text(str(error), rules),
        "retryable": retryable,
    }


def _is_cancel(error: BaseException) -> bool:
    return isinstance(error, asyncio.CancelledError | CancelledError)


def _cancel_reasons() -> tuple[str, ...]:
    found = activity.cancellation_details()
    if found is None:
        return ()
    reasons = ("not_found", "cancel_requested", "paused", "timed_out", "worker_shutdown", "reset")
    return tuple(name for name in reasons if getattr(found, name, False))


def _value(arg: Any) -> object:
    """As it came over the wire, so that its hash is that of the payload in the history."""
    return arg.model_dump(mode="json") if isinstance(arg, BaseModel) else arg


def _now() -> datetime:
    return datetime.now(UTC)
