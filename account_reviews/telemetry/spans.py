"""A span around a part of an activity, in the trace of its review."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry.trace import INVALID_SPAN, Span, Tracer

tracer_here: ContextVar[Tracer | None] = ContextVar("tracer_here", default=None)
"""What makes spans inside the running activity; None where its trace is not kept."""

trace_here: ContextVar[str | None] = ContextVar("trace_here", default=None)
"""The trace id of the activity this task runs, also for what the SDK says when it is over."""


@contextmanager
def step(name: str, **attributes: str) -> Iterator[Span]:
    """A span inside the activity's. Nothing is made when that one is not kept."""
    tracer = tracer_here.get()
    if tracer is None:
        yield INVALID_SPAN
        return
    with tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        yield span
