"""The tracer of a process, by OpenTelemetry's own settings.

Spans are exported when OTEL_EXPORTER_OTLP_ENDPOINT (or its _TRACES_ form) is set or
OTEL_TRACES_EXPORTER is `otlp`. Otherwise no exporter runs and nothing is recorded, but every
review has its trace id all the same.
"""

import threading
from typing import Final

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from account_reviews.config.telemetry import check_protocol, exports_spans, spans_stay_here
from account_reviews.telemetry.redacted_spans import RedactedSpans
from account_reviews.telemetry.tracing import Decided, GivenIds, ReviewTracing

SENDING: Final = "last-spans"
"""The thread that sends what is left."""


def resource(service: str) -> Resource:
    """Which service reports. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over `service`."""
    found = Resource.create()
    unnamed = str(found.attributes[SERVICE_NAME]).startswith("unknown_service")
    return found.merge(Resource({SERVICE_NAME: service})) if unnamed else found


class Traces:
    """The tracer of this process. `tracing` goes to `connect`; call `close` at the end."""

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        """`exporter`: another one than that of the settings. BadInputError for bad settings."""
        if exporter is None and exports_spans():
            exporter = _otlp()
        self._provider = TracerProvider(
            sampler=None if exporter else ALWAYS_OFF,
            resource=resource(service),
            id_generator=GivenIds(),
            shutdown_on_exit=False,
        )
        decided = None
        if exporter is not None:
            decided = Decided(self._provider.sampler)
            self._provider.sampler = decided
            self._provider.add_span_processor(BatchSpanProcessor(RedactedSpans(exporter)))
        self.tracing = ReviewTracing(self._provider, decided)

    def flush(self) -> None:
        """Send what there is."""
        self._provider.force_flush()

    def close(self, seconds: float) -> None:
        """Send what is left, for at most that long: a dead collector holds up nobody's end."""
        sending = threading.Thread(target=self._provider.shutdown, name=SENDING, daemon=True)
        sending.start()
        sending.join(seconds)


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from requests import Session

    check_protocol()
    if not spans_stay_here():
        return OTLPSpanExporter()
    session = Session()
    session.trust_env = False  # no proxy knows an address of this machine
    return OTLPSpanExporter(session=session)
