"""The page Prometheus reads: our instruments and the SDK's own metrics, on one address.

Where it is wanted, `config.telemetry` says.
"""

import errno
import gzip
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Final
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from temporalio.runtime import LoggingConfig, PrometheusConfig, Runtime, TelemetryConfig

from account_reviews.config import ports
from account_reviews.config.telemetry import (
    DEFAULT_HOST,
    METRICS_EXPORTER,
    PAGE_HOST,
    PAGE_PORT,
    Address,
)
from account_reviews.domain.errors import BadInputError, ConflictError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_PORTS_TRIED: Final = 100
_TRIES: Final = 10
_CORE_SECONDS: Final = 1.0
_CORE_UP: Final = "reviews_sdk_metrics_up"
_CORE_UP_HEAD: Final = (
    f"# HELP {_CORE_UP} 1 when the metrics of Temporal's SDK could be read\n"
    f"# TYPE {_CORE_UP} gauge\n"
)
_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy knows our loopback address."""
_QUICK: Final = 1
"""Level of compression."""


@dataclass(frozen=True)
class Page:
    """A page that is served."""

    url: str
    server: WSGIServer
    thread: Thread

    def close(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def serve(registry: CollectorRegistry, core_url: str, address: Address) -> Page:
    """Serve the registry's metrics and those at `core_url`, the SDK's own.

    ConflictError when no port near the wanted one is free.
    """
    last = address.port + (_PORTS_TRIED if address.port else 1)
    for port in range(address.port, min(last, 65536)):
        try:
            server, thread = start_http_server(port, address.host, registry)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise BadInputError(
                f"{PAGE_HOST} is {address.host!r}, which is no address of this machine"
            ) from error
        server.set_app(_application(registry, core_url))
        host = DEFAULT_HOST if address.host in ("0.0.0.0", "::", "") else address.host  # noqa: S104  compared
        shown = f"[{host}]" if ":" in host else host
        return Page(f"http://{shown}:{server.server_port}/metrics", server, thread)
    raise ConflictError(
        f"no port from {address.port} to {last - 1} is free for the metrics page",
        hint=f"set {PAGE_PORT} to another one, or {METRICS_EXPORTER}=none",
    )


def core_runtime(logging: LoggingConfig) -> tuple[Runtime, str]:
    """A runtime of the SDK that serves its own metrics on the loopback address, and that page."""
    for _ in range(_TRIES):
        address = f"{ports.LOOPBACK}:{ports.any_free()}"
        config = PrometheusConfig(
            bind_address=address,
            counters_total_suffix=True,
            unit_suffix=True,
            durations_as_seconds=True,
        )
        telemetry = TelemetryConfig(logging=logging, metrics=config, attach_service_name=False)
        try:
            return Runtime(telemetry=telemetry), f"http://{address}/metrics"
        except ValueError:  # somebody took the port in between
            continue
    raise ConflictError("no port is free for the metrics of Temporal's SDK")


def text(registry: CollectorRegistry, core_url: str) -> bytes:
    """The whole page: the registry's metrics, then those of the SDK as they stand on its own.

    They are not parsed: the interpreter would be held up for it at every scrape.
    """
    try:
        with _DIRECT.open(core_url, timeout=_CORE_SECONDS) as answer:
            core: bytes = answer.read()
    except (OSError, ValueError):
        core = b""
    up = f"{_CORE_UP_HEAD}{_CORE_UP} {int(bool(core))}\n"
    return generate_latest(registry) + up.encode() + core


def _application(registry: CollectorRegistry, core_url: str) -> "WSGIApplication":
    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        body, headers = text(registry, core_url), [("Content-Type", CONTENT_TYPE_PLAIN_0_0_4)]
        if "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
            body = gzip.compress(body, _QUICK)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", headers)
        return [body]

    return answer


@contextmanager
def served(registry: CollectorRegistry, core_url: str, address: Address) -> Iterator[Page]:
    """`serve`, until the end."""
    page = serve(registry, core_url, address)
    try:
        yield page
    finally:
        page.close()
