"""The one way to connect to Temporal: same converter and settings for worker, starter and CLI."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client, Interceptor
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.config.settings import Settings
from account_reviews.config.temporal import sdk_variables
from account_reviews.domain.errors import (
    BadInputError,
    NotFoundError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.temporal import names
from account_reviews.temporal.failures import DATA_CONVERTER

CONNECT_SECONDS = 8.0


async def connect(
    settings: Settings,
    *,
    runtime: Runtime | None = None,
    need_namespace: bool = True,
    interceptors: Sequence[Interceptor] = (),
) -> Client:
    """A client for the service of `TEMPORAL_*`, else of the running local stack.

    UnreachableError names the address when nothing answers within CONNECT_SECONDS, BadInputError
    an address that is none, NotFoundError a namespace that is not there.
    """
    options = connect_options(settings)
    address = options["target_host"]
    if "://" in address:
        raise BadInputError(f"the Temporal address {address!r} must be HOST:PORT, without a scheme")
    try:
        opening = _open(options, runtime, interceptors)
        client = await asyncio.wait_for(opening, CONNECT_SECONDS)
        if need_namespace:
            await asyncio.wait_for(_find_namespace(client, address), CONNECT_SECONDS)
        return client
    except ValueError as error:
        raise BadInputError(f"the Temporal address {address!r} is not HOST:PORT") from error
    except (TimeoutError, RuntimeError, OSError, RPCError) as error:
        raise UnreachableError(
            f"Temporal does not answer at {address}",
            hint="start a local one with `reviews dev` or set TEMPORAL_ADDRESS",
        ) from error


async def _open(
    options: dict[str, Any], runtime: Runtime | None, interceptors: Sequence[Interceptor]
) -> Client:
    return await Client.connect(
        **options, data_converter=DATA_CONVERTER, runtime=runtime, interceptors=interceptors
    )


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


def explained(error: RPCError) -> ReviewsError:
    """What a failed call means for the caller."""
    if error.status is RPCStatusCode.INVALID_ARGUMENT:
        return BadInputError(f"Temporal does not accept it: {error.message}")
    if error.status is RPCStatusCode.NOT_FOUND:
        return NotFoundError(f"Temporal does not know it: {error.message}")
    return UnreachableError(
        f"Temporal does not answer: {error.message}", hint="see `reviews doctor`, then try again"
    )


def connect_options(settings: Settings) -> dict[str, Any]:
    """What `Client.connect` takes, from the official environment names, files and stack.json."""
    variables = sdk_variables()
    try:
        options: dict[str, Any] = dict(
            ClientConfig.load_client_connect_config(override_env_vars=variables)
        )
    except RuntimeError as error:
        raise BadInputError(f"the Temporal settings cannot be read: {error}") from None
    if not options.get("target_host"):
        address = settings.stack.get("temporal_address")
        if not address:
            raise UnreachableError(
                f"no Temporal: TEMPORAL_ADDRESS is not set and no stack runs in "
                f"{settings.data_dir}",
                hint="start one with `reviews dev` or set TEMPORAL_ADDRESS",
            )
        options["target_host"] = address
    options.setdefault("namespace", settings.stack.get("namespace") or names.NAMESPACE)
    return options
