"""The one way to connect to Temporal: same converter and settings for worker, starter and CLI."""

import asyncio
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RPCError

from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.settings import Settings
from account_reviews.temporal import names

CONNECT_SECONDS = 8.0


async def connect(settings: Settings, *, runtime: Runtime | None = None) -> Client:
    """A client for the service of `TEMPORAL_*`, else of the running local stack.

    UnreachableError names the address when nothing answers within CONNECT_SECONDS.
    """
    options = connect_options(settings)
    address = options["target_host"]
    try:
        return await asyncio.wait_for(
            Client.connect(**options, data_converter=pydantic_data_converter, runtime=runtime),
            CONNECT_SECONDS,
        )
    except (TimeoutError, RuntimeError, OSError, RPCError) as error:
        raise UnreachableError(
            f"Temporal does not answer at {address}",
            hint="start a local one with `reviews dev` or set TEMPORAL_ADDRESS",
        ) from error


def connect_options(settings: Settings) -> dict[str, Any]:
    """What `Client.connect` takes, from the official environment names, files and stack.json."""
    try:
        options: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
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
