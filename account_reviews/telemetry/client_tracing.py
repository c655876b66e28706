"""Traces of a process that is no worker: starter and commands.

The libraries that record spans are loaded only where the settings export them.
"""

import logging
from functools import cache
from typing import TYPE_CHECKING, Final

from temporalio.client import Interceptor

from account_reviews.config.telemetry import exports_spans
from account_reviews.telemetry.trace_headers import TraceHeaders

if TYPE_CHECKING:
    from account_reviews.telemetry.trace_exporter import Traces

SERVICE: Final = "account-reviews-cli"
_END_SECONDS: Final = 0.5


def client_tracing() -> Interceptor:
    """What `connect` gives a client: a trace id on every request, and spans when exported.

    BadInputError for settings of OpenTelemetry that do not fit.
    """
    return _traces().tracing if exports_spans() else TraceHeaders()


def close() -> None:
    """Send the spans that are left, for half a second at most."""
    if _traces.cache_info().currsize:
        _traces().close(_END_SECONDS)
        _traces.cache_clear()


@cache
def _traces() -> "Traces":
    from account_reviews.telemetry.trace_exporter import Traces

    # A collector that is away is no concern of whoever runs a command.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return Traces(SERVICE)
