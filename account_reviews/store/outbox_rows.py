"""How facts for the audit trail are spelled, and the statement that leaves them in the outbox."""

import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC
from typing import Any, Final

import orjson

from account_reviews.domain.audit.events import AuditEvent, JsonValue

_NUL: Final = b"\\u0000"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
PUT: Final = (
    "insert into reviews.audit_outbox (event_id, body) select body->>'event_id', body "
    "from jsonb_array_elements(cast(:rows as jsonb)) with ordinality as given (body, place) "
    "order by place"
)
"""Its rows are what `in_place` gives."""


def in_place(events: Sequence[AuditEvent]) -> str:
    """The events as JSON, in their order."""
    return spelled([document_of(event) for event in events])


def document_of(event: AuditEvent) -> dict[str, Any]:
    """The event as plain values, `at` in RFC 3339: what the outbox holds and `insert` sends."""
    return {
        "event_id": event.event_id,
        "at": event.at.astimezone(UTC).isoformat(),
        "source": event.source.value,
        "tenant": event.tenant,
        "event_type": event.event_type.value,
        "severity": event.severity.value,
        "actor": event.actor,
        "action": event.action,
        "resource": event.resource,
        "review_id": event.review_id,
        "account_id": event.account_id,
        "workflow_id": event.workflow_id,
        "run_id": event.run_id,
        "trace_id": event.trace_id,
        "details": event.details,
    }


def spelled(value: object) -> str:
    """JSON that PostgreSQL takes: without NUL and without halves of surrogate pairs. TypeError."""
    try:
        found = orjson.dumps(value)
    except TypeError:  # half a pair, a number beyond 64 bits, or nothing JSON knows
        found = _spelled_slowly(cleaned(value))
    if _NUL in found:
        found = _spelled_slowly(cleaned(value))
    return found.decode()


def cleaned(value: Any) -> JsonValue:
    """The value with every character that cannot be stored replaced, in keys too."""
    if isinstance(value, str):
        return value.replace("\0", _REPLACEMENT).encode("utf-16", "surrogatepass").decode(
            "utf-16", "replace"
        )  # fmt: skip
    if isinstance(value, Mapping):
        return {str(cleaned(str(key))): cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    if isinstance(value, float):
        return str(value)
    found: JsonValue = value
    return found


def _spelled_slowly(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


current_trace: Final[ContextVar[str | None]] = ContextVar("audit_trace", default=None)
"""32 hex digits; set around each try of an activity."""
