"""`reviews fake`: a service that behaves like the real one, on this machine."""

import re
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from account_reviews.cli.output import print_line, run
from account_reviews.presentation.terminal import note

if TYPE_CHECKING:
    from account_reviews.fakes.framework import FakeApp, FakeOptions

_UNITS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
"""Milliseconds of a unit."""


class FakeService(StrEnum):
    ZOHO = "zoho"
    HUBSPOT = "hubspot"
    COGNEE = "cognee"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command()(fake)


def fake(
    service: Annotated[FakeService, typer.Argument(help="Which service.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same data.")] = 1,
    accounts: Annotated[int, typer.Option(min=0, max=100_000, help="How many it has.")] = 20,
    latency: Annotated[str, typer.Option(help="What an answer takes: 200, 200ms.")] = "0",
    window: Annotated[str, typer.Option(help="Over how long limits count: 60, 60s.")] = "24h",
    fault: Annotated[
        Path | None, typer.Option(help="A file that says what goes wrong, see docs/fakes.md.")
    ] = None,
    request_log: Annotated[
        Path | None, typer.Option(help="A file that gets a line for each request.")
    ] = None,
    credits: Annotated[
        int | None, typer.Option(min=1, help="Zoho: credits of a window. Default: 50000.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Zoho: calls at a time. Default: 10.")
    ] = None,
) -> None:
    """Run a service that behaves like Zoho CRM, HubSpot or Cognee here until Ctrl-C.

    The first line says where it is, and the variables that a worker needs for it.
    """
    given = {"credits": credits, "concurrency": concurrency}
    run(
        _serve(
            service,
            port,
            seed=seed,
            accounts=accounts,
            latency_ms=_milliseconds("--latency", latency, unit="ms"),
            window_ms=_milliseconds("--window", window, unit="s"),
            fault=fault,
            request_log=request_log,
            extra={name: value for name, value in given.items() if value is not None},
        )
    )
    note("stopped")


def _milliseconds(option: str, text: str, *, unit: str) -> int:
    """A span of time as it was typed; a bare number has the unit."""
    found = re.fullmatch(r"(\d{1,9})(ms|s|m|h)?", text.strip())
    if found is None:
        raise typer.BadParameter(f"{option} cannot be {text!r}; write it like 200ms or 60s")
    return int(found[1]) * _UNITS[found[2] or unit]


async def _serve(
    service: FakeService,
    port: int,
    *,
    seed: int,
    accounts: int,
    latency_ms: int,
    window_ms: int,
    fault: Path | None,
    request_log: Path | None,
    extra: dict[str, int],
) -> None:
    import asyncio
    import signal

    from account_reviews.domain.errors import BadInputError, ConflictError
    from account_reviews.fakes.faults import FaultPlan, read_faults
    from account_reviews.fakes.framework import FakeOptions
    from account_reviews.fakes.server import serving

    try:
        plan = FaultPlan() if fault is None else read_faults(fault)
    except ValueError as error:
        raise BadInputError(str(error), hint="docs/fakes.md has the keys") from None
    options = FakeOptions(
        seed=seed,
        accounts=accounts,
        latency_ms=latency_ms,
        window_s=window_ms / 1000,
        faults=plan,
        request_log=request_log,
        extra=extra,
    )
    app = _create(service, options)
    try:
        app.log.open()
    except OSError as error:
        why = f"the request log {request_log} cannot be written: {error.strerror}"
        raise BadInputError(why) from None
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked.set)
    try:
        async with serving(app, port) as url:
            print_line({"url": url, "env": app.env(url)})
            await asked.wait()
    except OSError as error:
        raise ConflictError(
            f"port {port} cannot be used: {error.strerror}", hint="choose another --port, or 0"
        ) from None


def _create(service: FakeService, options: "FakeOptions") -> "FakeApp":
    module = import_module(f"account_reviews.fakes.{service}")
    app: FakeApp = getattr(module, f"create_{service}")(options)
    return app
