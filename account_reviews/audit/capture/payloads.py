"""What an auditor may see of payloads, headers and failures: names, hashes and redacted texts."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Header, Payload
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure

from account_reviews.domain.audit.events import JsonValue
from account_reviews.domain.audit.redaction import Rules, describe_json, redact_text

AUDIT_HEADER: Final = "reviews-audit"
"""Who asked, put there by our client: `{"id","actor","trace"}`."""

_ACTOR_KEYS: Final = ("by", "approver", "started_by")
_LONGEST_NAME: Final = 1000
_CAUSES: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Details = dict[str, JsonValue]


def named(text: str) -> str:
    """A name as PostgreSQL takes it: without NUL, and of bounded length."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")[:_LONGEST_NAME]


def moment(at: Timestamp) -> datetime:
    """In UTC, to the microsecond; what is finer is cut off, so that it reads back the same."""
    return _EPOCH + timedelta(seconds=at.seconds, microseconds=at.nanos // 1000)


def word_of(kind: Any, number: int, prefix: str) -> str:
    """The name of a value of one of Temporal's enums, short; of one that is newer, its number."""
    try:
        name: str = kind.Name(number)
    except ValueError:
        return str(number)
    return name.removeprefix(prefix).lower()


def seconds_of(length: Duration) -> str:
    """A length in seconds as plain text: `72`, `0.1`. Trails hold no fractions."""
    return f"{length.seconds}.{length.nanos:09}".rstrip("0").rstrip(".")


def milliseconds(begin: datetime, end: datetime) -> int:
    """From one to the other, whole and never negative: clocks of two servers may differ."""
    return max(0, (end - begin) // timedelta(milliseconds=1))


def decoded(payload: Payload) -> Any:
    """The JSON value inside. ValueError when it holds anything else."""
    encoding = payload.metadata.get("encoding")
    if encoding == b"binary/null":
        return None
    if encoding != b"json/plain":
        raise ValueError(f"encoding {encoding!r}")
    return orjson.loads(payload.data)


def value_of(payloads: Sequence[Payload]) -> Any:
    """The value of the first payload; None when there is none or it cannot be read."""
    try:
        return decoded(payloads[0]) if payloads else None
    except ValueError:
        return None


def described(payloads: Sequence[Payload], rules: Rules) -> JsonValue:
    """Keys and hash of what was passed; None for nothing. Unreadable bytes have only a hash."""
    if not payloads:
        return None
    try:
        values = [decoded(payload) for payload in payloads]
    except ValueError:
        encoding = payloads[0].metadata.get("encoding", b"").decode("ascii", "replace")
        return {"keys": [], "sha256": digest(payloads), "encoding": named(encoding)}
    if values == [None]:
        return None
    found: Details = dict(describe_json(values[0] if len(values) == 1 else values, rules))
    return found


def digest(payloads: Sequence[Payload]) -> str | None:
    """The hash of the recorded bytes of a result; None for nothing. Cheap: nothing is read."""
    if not any(payload.data for payload in payloads):
        return None
    return hashlib.sha256(b"".join(payload.data for payload in payloads)).hexdigest()


def actor_of(header: Header, value: object) -> str | None:
    """Who asked: from our client's header, else from the payload's own words."""
    actor = _header(header, AUDIT_HEADER).get("actor")
    if isinstance(actor, str) and actor:
        return named(actor)
    if isinstance(value, Mapping):
        for key in _ACTOR_KEYS:
            name = value.get(key)
            if isinstance(name, str) and name and name != "unknown":
                return named(name)
    return None


def request_of(header: Header) -> str | None:
    """The id under which our client wrote down that it asked."""
    request_id = _header(header, AUDIT_HEADER).get("id")
    return named(request_id) if isinstance(request_id, str) and request_id else None


def _header(header: Header, name: str) -> Mapping[str, Any]:
    if name not in header.fields:
        return {}
    value = value_of([header.fields[name]])
    return value if isinstance(value, Mapping) else {}


def failure_of(failure: Failure, rules: Rules) -> Details:
    """Type, redacted message and causes of a failure."""
    found: Details = {
        "type": named(_failure_type(failure)),
        "message": redact_text(failure.message, rules),
    }
    causes: list[JsonValue] = []
    while failure.HasField("cause") and len(causes) < _CAUSES:
        failure = failure.cause
        message = redact_text(failure.message, rules)
        causes.append({"type": named(_failure_type(failure)), "message": message})
    if causes:
        found["causes"] = causes
    return found


def _failure_type(failure: Failure) -> str:
    kind = failure.WhichOneof("failure_info")
    if kind == "application_failure_info":
        return failure.application_failure_info.type or "ApplicationError"
    if kind == "timeout_failure_info":
        limit = failure.timeout_failure_info.timeout_type
        return f"{word_of(TimeoutType, limit, 'TIMEOUT_TYPE_')} timeout"
    return (kind or "failure").removesuffix("_info")
