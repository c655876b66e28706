"""The one way to connect to Temporal: same converter and settings for worker, starter and CLI."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import (
    BadInputError,
    NotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.temporal import tls_mismatch
from account_reviews.temporal.failures import DATA_CONVERTER
from account_reviews.temporal.service_choice import check_of_one_stack, choose, tls_wanted_by

CONNECT_SECONDS = 8.0
_STANDSTILL = "Workflow Task in failed state"
"""How the server says so."""


async def connect(
    settings: Settings,
    *,
    runtime: Runtime | None = None,
    need_namespace: bool = True,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """A client for the service that `service_choice` names.

    UnreachableError names the address when nothing answers within CONNECT_SECONDS, BadInputError
    an address that is none, NotFoundError a namespace that is not there, ConflictError a service
    that is not the one of the stack whose database is used.
    """
    service = choose(settings)
    options = service.options
    address = options["target_host"]
    if "://" in address:
        raise BadInputError(f"the Temporal address {address!r} must be HOST:PORT, without a scheme")
    try:
        opening = _open(options, runtime, interceptors)
        client = await asyncio.wait_for(opening, CONNECT_SECONDS)
        check_of_one_stack(settings, service)
        if need_namespace:
            await asyncio.wait_for(_find_namespace(client, address), CONNECT_SECONDS)
        return client
    except ValueError as error:
        raise BadInputError(f"the Temporal address {address!r} is not HOST:PORT") from error
    except (TimeoutError, RuntimeError, OSError, RPCError) as error:
        found = await tls_mismatch.explained(address, tls_wanted_by(options))
        raise (found or _no_answer(address)) from error


def _no_answer(address: str) -> UnreachableError:
    return UnreachableError(
        f"Temporal does not answer at {address}",
        hint="start a local one with `reviews dev` or set TEMPORAL_ADDRESS",
        plainly="Temporal does not answer",
    )


async def _open(
    options: dict[str, Any], runtime: Runtime | None, interceptors: Sequence[Interceptor]
) -> Client:
    return await Client.connect(
        **options,
        data_converter=DATA_CONVERTER,
        runtime=runtime or _silent_runtime(),
        interceptors=interceptors,
    )


@cache
def _silent_runtime() -> Runtime:
    """For commands: what the SDK's core logs of its retries is no sentence for people."""
    return Runtime(telemetry=TelemetryConfig(logging=None))


async def _find_namespace(client: Client, address: str) -> None:
    try:
        await client.workflow_service.describe_namespace(
            DescribeNamespaceRequest(namespace=client.namespace)
        )
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise NotFoundError(
            f"Temporal at {address} has no namespace {client.namespace!r}",
            hint="set TEMPORAL_NAMESPACE to one that is there",
        ) from None


@contextmanager
def answering() -> Iterator[None]:
    """Turn every failed call to Temporal inside into our error."""
    try:
        yield
    except RPCError as error:
        raise explained(error) from error


def is_at_a_standstill(error: RPCError) -> bool:
    """Whether an update is not taken since no worker gets on with the workflow: its last workflow
    task failed or timed out."""
    return error.status is RPCStatusCode.FAILED_PRECONDITION and _STANDSTILL in error.message


def explained(error: RPCError) -> ReviewsError:
    """What a failed call means for the caller."""
    if is_at_a_standstill(error):
        return UnreachableError(
            "no worker gets on with it: its last step failed or was not answered",
            hint="see `reviews stuck`; start a worker, then try again",
        )
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return BadInputError(f"Temporal does not accept it: {error.message}")
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFoundError(f"Temporal does not know it: {error.message}")
    return UnreachableError(
        f"Temporal does not answer: {error.message}", hint="see `reviews doctor`, then try again"
    )
