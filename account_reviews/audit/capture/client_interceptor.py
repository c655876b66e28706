"""Who asked Temporal for what through our client, and what came of it.

Every start, signal and update carries the header `reviews-audit`, so that its event says who sent
it, and is a row of its own; so are cancels, terminations and what is done to schedules. Queries
change nothing and are left out.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

import orjson
from pydantic import BaseModel
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    BackfillScheduleInput,
    CancelWorkflowInput,
    CreateScheduleInput,
    DeleteScheduleInput,
    Interceptor,
    OutboundInterceptor,
    PauseScheduleInput,
    ScheduleAlreadyRunningError,
    ScheduleHandle,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    TerminateWorkflowInput,
    TriggerScheduleInput,
    UnpauseScheduleInput,
    UpdateScheduleInput,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateHandle,
    WorkflowUpdateStage,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.audit.capture.actors import acting, named_in
from account_reviews.audit.capture.log import AuditLog
from account_reviews.audit.capture.payloads import AUDIT_HEADER
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    JsonValue,
    Severity,
    Source,
    audit_entry_id,
)
from account_reviews.domain.audit.redaction import Rules, describe, redact_text
from account_reviews.telemetry.trace_headers import trace_id_of
from account_reviews.temporal import names

DECIDE: Final = "decide"
"""The update that carries a person's decision."""

_REFUSALS: Final = (WorkflowAlreadyStartedError, ScheduleAlreadyRunningError)
_REFUSED_STATES: Final = (
    RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND, RPCStatusCode.ALREADY_EXISTS,
    RPCStatusCode.FAILED_PRECONDITION, RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
)  # fmt: skip
_FORBIDDEN: Final = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)

_T = TypeVar("_T")


class AskingInterceptor(Interceptor):
    """Records who asked Temporal for what. `actor` asks when the message names nobody.

    Client side: every start, signal, update, cancel and termination, and each change of a schedule,
    becomes a row when its answer is there; the first three carry the header `reviews-audit`.
    Workflow side: none. Activity side: none. `actor` may be changed; recording never blocks.
    """

    def __init__(self, log: AuditLog, rules: Rules, *, tenant: str, actor: str) -> None:
        self.log = log
        self.rules = rules
        self.tenant = tenant
        self._actor = actor
        self.machine = actor

    @property
    def actor(self) -> str:
        """Who asks where a message names nobody."""
        return acting.get() or self._actor

    @actor.setter
    def actor(self, name: str) -> None:
        self._actor = name

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Asking(next, self)

    async def recorded(self, request: "Request", call: Awaitable[_T]) -> _T:
        """The answer of a call that the SDK's client has no method for; it becomes a row too."""
        try:
            result = await call
        except BaseException as error:
            self.record(request, error)
            raise
        self.record(request)
        return result

    def record(self, request: "Request", error: BaseException | None = None) -> None:
        """Have a row made of it, in the background."""
        self.log.put(partial(row_of, request, self, error))


@dataclass(slots=True)
class Request:
    """What is noted of a request when it is made."""

    actor: str
    action: str
    resource: str
    args: Sequence[Any] = ()
    kind: EventType = EventType.REQUEST_MADE
    """What it is when it was accepted."""
    refused: EventType = EventType.REQUEST_MADE
    workflow_id: str | None = None
    run_id: str | None = None
    trace: str | None = None
    more: dict[str, JsonValue] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid4()))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def header(self) -> Payload:
        """What goes along with the message."""
        sent = {"id": self.id, "actor": self.actor, "trace": self.trace}
        return Payload(metadata={"encoding": b"json/plain"}, data=orjson.dumps(sent))


class _Asking(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, root: AskingInterceptor) -> None:
        super().__init__(next)
        self._root = root

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        request = self._of_workflow(f"start {input.workflow}", input.id, None, input)
        if input.start_signal:
            request.more["signal"] = input.start_signal
        handle = await self._recorded(request, super().start_workflow(input), record=False)
        request.run_id = handle.result_run_id
        self._record(request)
        return handle

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        action = f"signal {input.signal}"
        request = self._of_workflow(action, input.id, input.run_id, input)
        await self._recorded(request, super().signal_workflow(input))

    async def start_workflow_update(
        self,
        input: StartWorkflowUpdateInput,
    ) -> WorkflowUpdateHandle[Any]:
        run_id = input.run_id or input.first_execution_run_id
        request = self._of_workflow(f"update {input.update}", input.id, run_id, input)
        request.refused = _refused_update(input.update)
        request.more["update_id"] = input.update_id
        handle = await self._recorded(request, super().start_workflow_update(input), record=False)
        await self._record_outcome(request, handle, input.wait_for_stage)
        return handle

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,
    ) -> WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        action = f"start {start.workflow} with update {update.update}"
        request = self._of_workflow(action, start.id, None, start)
        request.refused = _refused_update(update.update)
        request.more["update_id"] = update.update_id
        update.headers = {**update.headers, AUDIT_HEADER: request.header()}
        call = super().start_update_with_start_workflow(input)
        handle = await self._recorded(request, call, record=False)
        await self._record_outcome(request, handle, update.wait_for_stage)
        return handle

    async def cancel_workflow(self, input: CancelWorkflowInput) -> None:
        run_id = input.run_id or input.first_execution_run_id
        request = self._of_workflow("cancel", input.id, run_id)
        await self._recorded(request, super().cancel_workflow(input))

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:
        run_id = input.run_id or input.first_execution_run_id
        request = self._of_workflow("terminate", input.id, run_id)
        request.more["reason"] = redact_text(input.reason or "", self._root.rules)
        await self._recorded(request, super().terminate_workflow(input))

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:
        request = self._of_schedule(EventType.SCHEDULE_CREATED, "create", input.id)
        return await self._recorded(request, super().create_schedule(input))

    async def update_schedule(self, input: UpdateScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_UPDATED, "update", input.id)
        await self._recorded(request, super().update_schedule(input))

    async def delete_schedule(self, input: DeleteScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_DELETED, "delete", input.id)
        await self._recorded(request, super().delete_schedule(input))

    async def pause_schedule(self, input: PauseScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_PAUSED, "pause", input.id, input.note)
        await self._recorded(request, super().pause_schedule(input))

    async def unpause_schedule(self, input: UnpauseScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_RESUMED, "resume", input.id, input.note)
        await self._recorded(request, super().unpause_schedule(input))

    async def trigger_schedule(self, input: TriggerScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_TRIGGERED, "trigger", input.id)
        await self._recorded(request, super().trigger_schedule(input))

    async def backfill_schedule(self, input: BackfillScheduleInput) -> None:
        request = self._of_schedule(EventType.SCHEDULE_BACKFILLED, "backfill", input.id)
        request.more["spans"] = [
            {"from": one.start_at.isoformat(), "to": one.end_at.isoformat()}
            for one in input.backfills
        ]
        await self._recorded(request, super().backfill_schedule(input))

    def _of_workflow(
        self, action: str, workflow_id: str, run_id: str | None, message: Any = None
    ) -> Request:
        """A request to a workflow; `message` is what carries headers and arguments."""
        args = message.args if message is not None else ()
        request = Request(
            actor=named_in(args) or self._root.actor,
            action=action,
            resource=workflow_id,
            args=args,
            workflow_id=workflow_id,
            run_id=run_id,
        )
        if message is not None:
            request.trace = trace_id_of(message.headers)
            message.headers = {**message.headers, AUDIT_HEADER: request.header()}
        return request

    def _of_schedule(
        self, kind: EventType, action: str, schedule_id: str, note: str | None = None
    ) -> Request:
        more: dict[str, JsonValue] = {}
        if note:
            more["note"] = redact_text(note, self._root.rules)
        return Request(
            actor=self._root.actor,
            action=f"{action} schedule",
            resource=f"schedule/{schedule_id}",
            kind=kind,
            more=more,
        )

    async def _recorded(self, request: Request, call: Awaitable[_T], *, record: bool = True) -> _T:
        try:
            result = await call
        except BaseException as error:
            self._record(request, error)
            raise
        if record:
            self._record(request)
        return result

    async def _record_outcome(
        self, request: Request, handle: WorkflowUpdateHandle[Any], stage: WorkflowUpdateStage
    ) -> None:
        """A refused update comes back as a handle with its outcome: nobody is asked again."""
        request.run_id = handle.workflow_run_id or request.run_id
        if stage is WorkflowUpdateStage.COMPLETED:
            try:
                await handle.result()
            except WorkflowUpdateFailedError as error:
                self._record(request, error)
                return
            except Exception:  # noqa: BLE001  the caller decodes it too, and gets the error
                request.more["answer"] = "unreadable"
        self._record(request)

    def _record(self, request: Request, error: BaseException | None = None) -> None:
        self._root.record(request, error)


def row_of(request: Request, root: AskingInterceptor, error: BaseException | None) -> AuditEvent:
    """What was asked, by whom, and whether it was accepted."""
    kind, severity = request.kind, Severity.INFO
    details: dict[str, JsonValue] = {"request_id": request.id, **request.more, "result": "accepted"}
    if request.actor != root.machine:
        details["machine"] = root.machine
    if request.args:
        values = [_value(arg) for arg in request.args]
        details["input"] = dict(describe(values[0] if len(values) == 1 else values, root.rules))
    if error is not None:
        severity = Severity.WARNING
        refused, code, message = _why(error)
        kind = request.refused if refused else EventType.REQUEST_MADE
        if isinstance(error, RPCError) and error.status in _FORBIDDEN:
            kind = EventType.PERMISSION_DENIED
        details["result"] = "refused" if refused else "failed"
        details |= {"code": code, "message": redact_text(message, root.rules)}
    account_id, tenant, review_id = _whose(request.workflow_id, root.tenant)
    return AuditEvent(
        event_id=audit_entry_id("request", request.id),
        at=request.at,
        source=Source.CLIENT,
        event_type=kind,
        tenant=tenant,
        actor=request.actor,
        action=request.action,
        resource=request.resource,
        severity=severity,
        review_id=review_id,
        account_id=account_id,
        workflow_id=request.workflow_id,
        run_id=request.run_id,
        trace_id=request.trace,
        details=details,
    )


def _refused_update(name: str) -> EventType:
    return EventType.APPROVAL_REFUSED if name == DECIDE else EventType.UPDATE_REFUSED


def _why(error: BaseException) -> tuple[bool, str, str]:
    """Whether it was refused (else nobody knows), a code, and the sentence."""
    if isinstance(error, WorkflowUpdateFailedError):
        cause = error.cause
        if isinstance(cause, ApplicationError):
            return True, cause.type or "refused", cause.message
        return True, type(cause).__name__, str(cause)
    if isinstance(error, RPCError):
        return error.status in _REFUSED_STATES, error.status.name.lower(), error.message
    if isinstance(error, asyncio.CancelledError):
        return False, "given_up", "whoever asked did not wait for the answer"
    return isinstance(error, _REFUSALS), type(error).__name__, str(error)


def _whose(workflow_id: str | None, tenant: str) -> tuple[str | None, str, str | None]:
    """Account id, tenant and review id of a workflow id."""
    try:
        account_id, tenant = names.parse_review_id(workflow_id or "")
    except ValueError:
        return None, tenant, workflow_id if names.is_review_id(workflow_id or "") else None
    return account_id, tenant, workflow_id


def _value(arg: Any) -> object:
    return arg.model_dump(mode="json") if isinstance(arg, BaseModel) else arg
