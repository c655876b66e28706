"""Spans as they may leave the process: what exceptions said stands without secrets and names."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status

from account_reviews.domain.audit.redaction import DEFAULT, redact_text


class RedactedSpans(SpanExporter):
    """Hands spans on to `inner`. The SDK's own spans record the texts of errors as they are."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return self._inner.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """The span itself when it holds no error."""
    if not span.events and not span.status.description:
        return span
    words = span.status.description
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[Event(one.name, _texts(one.attributes), one.timestamp) for one in span.events],
        links=span.links,
        kind=span.kind,
        instrumentation_scope=span.instrumentation_scope,
        status=Status(span.status.status_code, redact_text(words, DEFAULT) if words else words),
        start_time=span.start_time,
        end_time=span.end_time,
    )


def _texts(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        key: redact_text(value, DEFAULT) if isinstance(value, str) else value
        for key, value in (attributes or {}).items()
    }
