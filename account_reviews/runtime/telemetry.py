"""All of it for one worker process: log, metrics page, traces."""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from prometheus_client import CollectorRegistry
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig
from temporalio.worker import Interceptor

from account_reviews.config.settings import Settings
from account_reviews.config.telemetry import Address, metrics_address
from account_reviews.telemetry import instruments, logs, metrics_page, trace_exporter
from account_reviews.telemetry.activity_interceptor import Metering
from account_reviews.telemetry.gauges import Observed, Source
from account_reviews.telemetry.tracing import ReviewTracing

SERVICE: Final = "account-reviews-worker"
_END_SECONDS: Final = 2.0


@dataclass(frozen=True)
class Telemetry:
    """What a worker is given. `url` is the page's address, None when there is none."""

    runtime: Runtime
    tracing: ReviewTracing
    """For `connect`: it traces the client and every worker that uses it."""
    interceptors: list[Interceptor]
    url: str | None
    observed: Observed | None

    @asynccontextmanager
    async def watching(self, sources: Sequence[Source]) -> AsyncIterator[None]:
        """Show the figures of `sources`, where there is a page."""
        if self.observed is None:
            yield
            return
        self.observed.watch(*sources)
        try:
            yield
        finally:
            self.observed.unwatch()

    def ready(self) -> str:
        """A line that says where the page is; empty without one."""
        return f"\nmetrics page {self.url}" if self.url else ""


@asynccontextmanager
async def telemetry(settings: Settings) -> AsyncIterator[Telemetry]:
    """Log, measure and trace this process. BadInputError or ConflictError for bad settings."""
    address = metrics_address()
    with ExitStack() as stack:
        stack.enter_context(logs.logging_to(level=settings.log_level))
        traces = trace_exporter.Traces(SERVICE)
        stack.callback(traces.close, _END_SECONDS)
        core = logs.core_logging()
        if address is None:
            runtime = Runtime(telemetry=TelemetryConfig(logging=core))
            yield Telemetry(runtime, traces.tracing, [], None, None)
            return
        yield _measured(stack, address, traces.tracing, core)


def _measured(
    stack: ExitStack, address: Address, tracing: ReviewTracing, core: LoggingConfig
) -> Telemetry:
    runtime, core_url = metrics_page.core_runtime(core)
    registry = CollectorRegistry()
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=registry
    )
    provider = MeterProvider(
        [reader],
        resource=trace_exporter.resource(SERVICE),
        # The page cannot show them, and they cost as much as the values.
        exemplar_filter=AlwaysOffExemplarFilter(),
        shutdown_on_exit=False,
    )
    stack.callback(provider.shutdown)
    _make_global(provider)
    made = instruments.use(provider)
    stack.callback(instruments.forget, made)
    made.zero()
    watched = Observed(provider.get_meter(instruments.METER))
    served = stack.enter_context(metrics_page.served(registry, core_url, address))
    return Telemetry(runtime, tracing, [Metering()], served.url, watched)


def _make_global(provider: MeterProvider) -> None:
    """For integrators who ask OpenTelemetry itself; the first one of a process stays."""
    if not isinstance(metrics.get_meter_provider(), MeterProvider):
        metrics.set_meter_provider(provider)
