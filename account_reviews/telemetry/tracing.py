"""Spans through the SDK's own tracing, in one trace per review from its start to the CRM write.

Workflow spans have no length and are made once: nothing is held open over a wait, and a replay
makes none. Of the SDK's two ways this is the older one: the newer holds the workflow's span until
its end, which here may be weeks away, and loses it with the worker.

What the SDK leaves open is settled here. A run that nobody gave a trace (a schedule's, or one
started by a bare command) has its run id as trace id, and its first span is the trace's root. The
spans of a trace that is not kept are not made at all; its header is passed on as it is.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    Link,
    SpanKind,
    Status,
    StatusCode,
    TraceState,
    get_current_span,
)
from opentelemetry.util.types import Attributes
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import OutboundInterceptor
from temporalio.contrib.opentelemetry import TracingInterceptor, TracingWorkflowInboundInterceptor
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    HandleQueryInput,
    HandleSignalInput,
    HandleUpdateInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from account_reviews.telemetry import trace_headers
from account_reviews.telemetry.spans import trace_here, tracer_here
from account_reviews.telemetry.trace_headers import Carrier

TRACER: Final = "account_reviews"
_SETTLE: Final = "__reviews_settle_trace"
_ROOT: Final = "RunWorkflow:"
_NOT_MADE: Final = ("StartActivity:", "ValidateUpdate:")
"""Each activity has its own span, and each update that is accepted has one of its handling."""

_given: ContextVar[tuple[int, int] | None] = ContextVar("given_ids", default=None)
"""Trace and span id of the span that is made next."""


class GivenIds(RandomIdGenerator):
    """Ids at random, but for a root span whose ids stand in the run's header already."""

    def generate_span_id(self) -> int:
        given = _given.get()
        return given[1] if given else super().generate_span_id()

    def generate_trace_id(self) -> int:
        given = _given.get()
        return given[0] if given else super().generate_trace_id()


class Decided(Sampler):
    """The configured sampler decides on whole traces, where they begin: a span with a parent is
    kept when that one is, and so is a root span whose trace is known to be kept."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if _given.get() is not None:
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        parent = get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            kept = parent.trace_flags.sampled
            decision = Decision.RECORD_AND_SAMPLE if kept else Decision.DROP
            return SamplingResult(decision, attributes, parent.trace_state)
        return self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def keeps(self, trace_id: str, name: str) -> bool:
        """Whether a trace that begins here is kept.

        Samplers by ratio look at the last bits of a trace id, and those of a run id that is made
        from the time are not even. So they are shown a hash of it.
        """
        even = int.from_bytes(sha256(trace_id.encode()).digest()[:16])
        decision = self._inner.should_sample(Context(), even, name).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def get_description(self) -> str:
        return f"Decided({self._inner.get_description()})"


class ReviewTracing(TracingInterceptor):
    """Makes spans, and passes the trace on. Without a `sampler` it makes none, and passes it on all
    the same.

    Client side: a span for every start, signal, update and query, and the trace header on it;
    without a sampler only the header, and none on queries. Workflow side: settles the trace of the
    run once, leaves out headers nobody can read, makes spans without length for what the workflow
    does (none on replay), and puts the header on what it starts. Activity side: a span for every
    try, which those made inside belong to.
    """

    def __init__(self, provider: TracerProvider, sampler: Decided | None) -> None:
        super().__init__(provider.get_tracer(TRACER))
        self._sampler = sampler

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        if self._sampler is None:
            return trace_headers.TraceHeaders().intercept_client(next)
        return super().intercept_client(next)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _TracedActivity(next, self)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,
    ) -> type[TracingWorkflowInboundInterceptor]:
        super().workflow_interceptor_class(input)
        cast("dict[str, Any]", input.unsafe_extern_functions)[_SETTLE] = self._settle
        return _TracedWorkflow

    def leaves_out(self, carrier: Carrier) -> bool:
        """Whether no span is made within this trace. False also without a trace, when spans are
        exported: one may begin here."""
        return self._sampler is None or (bool(carrier) and not trace_headers.is_sampled(carrier))

    def _settle(self, carrier: Carrier, first_run_id: str, name: str) -> "Settled":
        """What the run goes by. A trace that nobody decided on is decided on here, always alike."""
        carrier = carrier or trace_headers.carrier_of_run(first_run_id)
        ids = trace_headers.ids_of(carrier)
        undecided = trace_headers.UNDECIDED in carrier
        if self._sampler is None or ids is None or not undecided:
            kept = self._sampler is not None and trace_headers.is_sampled(carrier)
            return Settled(carrier, trace_headers.payload_of(carrier), kept, root=None)
        kept = self._sampler.keeps(ids[0], name)
        decided = {trace_headers.TRACEPARENT: f"00-{ids[0]}-{ids[1]}-{int(kept):02d}"}
        return Settled(decided, trace_headers.payload_of(decided), kept, root=ids)

    def _completed_workflow_span(self, params: Any) -> Any:
        root = params.attributes.pop(_ROOT, None)
        if root is None:
            return super()._completed_workflow_span(params)
        trace_id, span_id = root.split("-")
        token = _given.set((int(trace_id, 16), int(span_id, 16)))
        try:
            span = self.tracer.start_span(
                params.name,
                Context(),
                attributes=params.attributes,
                start_time=params.time_ns,
                kind=params.kind,
            )
        finally:
            _given.reset(token)
        span.end(end_time=params.time_ns)
        return None


@dataclass(frozen=True, slots=True)
class Settled:
    """The trace of one workflow run, as this worker goes on with it."""

    carrier: Carrier
    payload: Payload
    kept: bool
    root: tuple[str, str] | None
    """Ids of the first span when no client made one."""


class _TracedWorkflow(TracingWorkflowInboundInterceptor):
    """What cannot be read in the header of a message is left out: the SDK would raise in the task,
    again and again."""

    def __init__(self, next: WorkflowInboundInterceptor) -> None:
        super().__init__(next)
        self._settled: Settled | None = None

    async def handle_signal(self, input: HandleSignalInput) -> None:
        input.headers = trace_headers.readable(input.headers)
        await super().handle_signal(input)

    async def handle_query(self, input: HandleQueryInput) -> Any:
        input.headers = trace_headers.readable(input.headers)
        return await super().handle_query(input)

    def handle_update_validator(self, input: HandleUpdateInput) -> None:
        input.headers = trace_headers.readable(input.headers)
        super().handle_update_validator(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:
        input.headers = trace_headers.readable(input.headers)
        return await super().handle_update_handler(input)

    def _load_workflow_context_carrier(self) -> Carrier:
        return self._trace().carrier

    def _trace(self) -> Settled:
        if self._settled is None:
            info = workflow.info()
            settle = workflow.extern_functions()[_SETTLE]
            carrier = trace_headers.carrier_of(info.headers)
            name = f"{_ROOT}{info.workflow_type}"
            self._settled = settle(carrier, info.first_execution_run_id, name)
        return self._settled

    def _context_to_headers(self, headers_: Mapping[str, Payload]) -> Mapping[str, Payload]:
        return {**headers_, self.header_key: self._trace().payload}

    def _completed_span(self, span_name: str, *, add_to_outbound: Any = None, **more: Any) -> None:
        settled = self._trace()
        if add_to_outbound is not None:
            add_to_outbound.headers = {**add_to_outbound.headers, self.header_key: settled.payload}
        if not settled.kept or span_name.startswith(_NOT_MADE):
            return
        if settled.root and span_name.startswith(_ROOT) and not _went_on():
            more["additional_attributes"] = {_ROOT: "-".join(settled.root)}
        super()._completed_span(span_name, add_to_outbound=add_to_outbound, **more)


def _went_on() -> bool:
    """True after continue-as-new, a reset or a retry: the trace has its root."""
    info = workflow.info()
    return info.run_id != info.first_execution_run_id


class _TracedActivity(ActivityInboundInterceptor):
    """A span per try. Errors are named by their class alone: messages may hold anything."""

    def __init__(self, next: ActivityInboundInterceptor, root: ReviewTracing) -> None:
        super().__init__(next)
        self._root = root

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        trace_here.set(trace_headers.trace_id_of(input.headers))
        carrier = trace_headers.carrier_of(input.headers)
        if self._root.leaves_out(carrier):
            tracer_here.set(None)
            return await super().execute_activity(input)
        context = self._root.text_map_propagator.extract(carrier) if carrier else None
        info = activity.info()
        with self._root.tracer.start_as_current_span(
            f"RunActivity:{info.activity_type}",
            context,
            kind=SpanKind.SERVER,
            attributes={
                "temporalWorkflowID": info.workflow_id or "",
                "temporalRunID": info.workflow_run_id or "",
                "temporalActivityID": info.activity_id,
                "temporalAttempt": info.attempt,
            },
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            token = tracer_here.set(self._root.tracer if span.is_recording() else None)
            try:
                return await super().execute_activity(input)
            except Exception as error:
                if not _is_benign(error):
                    kind = error.type if isinstance(error, ApplicationError) else None
                    span.set_status(Status(StatusCode.ERROR, kind or type(error).__name__))
                raise
            finally:
                tracer_here.reset(token)


def _is_benign(error: Exception) -> bool:
    benign = ApplicationErrorCategory.BENIGN
    return isinstance(error, ApplicationError) and error.category is benign
