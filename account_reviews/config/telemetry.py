"""What OpenTelemetry's variables say: the metrics page, and whether spans are exported.

OTEL_EXPORTER_PROMETHEUS_HOST and _PORT (localhost, 9464; a taken port makes it the next free one,
0 any free one), OTEL_METRICS_EXPORTER (`prometheus`; `none` for no page), OTEL_TRACES_EXPORTER,
OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL with their _TRACES_ forms, and OTEL_SDK_DISABLED.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from account_reviews.config import ports
from account_reviews.domain.errors import BadInputError

DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 9464
PAGE_HOST: Final = "OTEL_EXPORTER_PROMETHEUS_HOST"
PAGE_PORT: Final = "OTEL_EXPORTER_PROMETHEUS_PORT"
METRICS_EXPORTER: Final = "OTEL_METRICS_EXPORTER"

_DISABLED: Final = "OTEL_SDK_DISABLED"
_TRACES_EXPORTER: Final = "OTEL_TRACES_EXPORTER"
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_DEFAULT_ENDPOINT: Final = "http://localhost:4318"
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP: Final = "http/protobuf"


@dataclass(frozen=True)
class Address:
    """Where the metrics page is wanted."""

    host: str
    port: int


def metrics_address(env: Mapping[str, str] = os.environ) -> Address | None:
    """Where the page is wanted, None for no page. BadInputError names what does not fit."""
    if _is_disabled(env):
        return None
    exporter = _word(env, METRICS_EXPORTER) or "prometheus"
    if exporter == "none":
        return None
    if exporter != "prometheus":
        raise BadInputError(
            f"{METRICS_EXPORTER} is {exporter!r}, but must be prometheus or none",
            hint="a collector reads the page of each worker; see docs/telemetry.md",
        )
    port = env.get(PAGE_PORT, "").strip() or str(DEFAULT_PORT)
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInputError(f"{PAGE_PORT} is {port!r}, but must be a port, or 0 for any free one")
    return Address(env.get(PAGE_HOST, "").strip() or DEFAULT_HOST, int(port))


def exports_spans(env: Mapping[str, str] = os.environ) -> bool:
    """Whether an exporter of spans is asked for. BadInputError for one we do not have."""
    if _is_disabled(env):
        return False
    exporter = _word(env, _TRACES_EXPORTER)
    if exporter not in ("", "otlp", "none"):
        raise BadInputError(f"{_TRACES_EXPORTER} is {exporter!r}, but must be otlp or none")
    return exporter == "otlp" or (not exporter and any(env.get(name) for name in _ENDPOINTS))


def spans_stay_here(env: Mapping[str, str] = os.environ) -> bool:
    """Whether they are sent to an address of this machine."""
    given = (env.get(name, "").strip() for name in reversed(_ENDPOINTS))
    try:
        return ports.is_here(next(filter(None, given), _DEFAULT_ENDPOINT))
    except ValueError:
        return False


def check_protocol(env: Mapping[str, str] = os.environ) -> None:
    """BadInputError when spans are to be sent in another way than over HTTP."""
    given = ((name, env.get(name, "").strip()) for name in _PROTOCOLS)
    name, protocol = next((one for one in given if one[1]), ("", _HTTP))
    if protocol != _HTTP:
        raise BadInputError(f"{name} is {protocol!r}, but only {_HTTP} is spoken here")


def _is_disabled(env: Mapping[str, str]) -> bool:
    return _word(env, _DISABLED) == "true"


def _word(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip().lower()
