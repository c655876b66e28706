"""The trace of a run as it travels: one header of Temporal, without the tracing libraries.

The header is the one of the SDK's own tracing, a JSON object with a W3C `traceparent`. A process
that exports no spans adds `undecided`: it has no say in which traces are kept, so the first worker
that exports decides. A run without the header has the trace of `domain.audit.events.trace_of_run`.
"""

import json
import re
import secrets
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from account_reviews.domain.audit.events import trace_of_run

HEADER: Final = "_tracer-data"
UNDECIDED: Final = "undecided"
TRACEPARENT: Final = "traceparent"

Carrier = dict[str, Any]
Headers = Mapping[str, Payload]

_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)
_REMEMBERED: Final = 1000
_LARGE: Final = 1000
"""Bytes; a larger header is no common one and is not remembered."""


class _Read(NamedTuple):
    """What a header says, and the ids of its trace and span."""

    carrier: Carrier
    ids: tuple[str, str] | None


_NOTHING: Final = _Read({}, None)


def carrier_of(headers: Headers) -> Carrier:
    """What the header says; empty without a header that can be read and names a trace."""
    return dict(_found(headers).carrier)


def ids_of(carrier: Mapping[str, Any]) -> tuple[str, str] | None:
    """Trace id (32 hex digits) and span id (16) of a carrier; None without."""
    found = _TRACEPARENT.fullmatch(str(carrier.get(TRACEPARENT, "")))
    return (found[1], found[2]) if found else None


def is_sampled(carrier: Mapping[str, Any]) -> bool:
    """Whether the spans of this trace are kept; of a carrier that names one."""
    return bool(int(str(carrier[TRACEPARENT]).split("-")[3], 16) & 1)


def trace_id_of(headers: Headers) -> str | None:
    """The trace id in the header of a start, signal or update; None without."""
    found = _found(headers).ids
    return found[0] if found else None


def readable(headers: Headers) -> Headers:
    """The same without a trace header that nobody can read: the SDK's tracing raises for it."""
    if HEADER not in headers:
        return headers
    carrier = _found(headers).carrier
    others = {name: payload for name, payload in headers.items() if name != HEADER}
    return {**others, HEADER: payload_of(carrier)} if carrier else others


def _found(headers: Headers) -> _Read:
    payload = headers.get(HEADER)
    if payload is None:
        return _NOTHING
    data = payload.data
    return _remembered(data) if len(data) <= _LARGE else _read(data)


def _read(data: bytes) -> _Read:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return _NOTHING
    if not isinstance(found, dict):
        return _NOTHING
    carrier = {name: value for name, value in found.items() if isinstance(value, str)}
    ids = ids_of(carrier)
    return _Read(carrier, ids) if ids else _NOTHING


_remembered: Final = lru_cache(_REMEMBERED)(_read)
"""Every step of a review comes with the same header, which several listeners look at."""


def carrier_of_run(first_run_id: str) -> Carrier:
    """What a run goes by that nobody gave a trace. The same on every worker and every replay."""
    return _undecided(trace_of_run(first_run_id), span_of_run(first_run_id))


def span_of_run(first_run_id: str) -> str:
    """The id of the first span of such a run."""
    return sha256(first_run_id.encode()).hexdigest()[:16]


def fresh() -> Payload:
    """A header that begins a trace."""
    return payload_of(_undecided(secrets.token_hex(16), secrets.token_hex(8)))


def payload_of(carrier: Carrier) -> Payload:
    """The header's value, as the SDK's tracing writes it."""
    data = json.dumps(carrier, separators=(",", ":"), sort_keys=True).encode()
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


def _undecided(trace_id: str, span_id: str) -> Carrier:
    return {TRACEPARENT: f"00-{trace_id}-{span_id}-00", UNDECIDED: "1"}


class TraceHeaders(Interceptor):
    """Gives requests a trace id, in a process that exports no spans.

    Client side: every start, signal and update that has no trace header gets one, undecided.
    Workflow side: none. Activity side: none.
    """

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _WithTrace(next)


class _WithTrace(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        input.headers = _added(input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:
        input.headers = _added(input.headers)
        await super().signal_workflow(input)

    async def start_workflow_update(
        self,
        input: StartWorkflowUpdateInput,
    ) -> WorkflowUpdateHandle[Any]:
        input.headers = _added(input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,
    ) -> WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        start.headers = _added(start.headers)
        update.headers = {**update.headers, HEADER: start.headers[HEADER]}
        return await super().start_update_with_start_workflow(input)


def _added(headers: Headers) -> Headers:
    return headers if HEADER in headers else {**headers, HEADER: fresh()}
