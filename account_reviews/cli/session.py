"""What a command needs while it runs: settings, parts, and Temporal when it is asked for."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from account_reviews.cli.output import is_for_people

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.bootstrap import Parts
    from account_reviews.services.reviews import Connect


@asynccontextmanager
async def open_session() -> "AsyncIterator[Parts]":
    """The parts of this process, from the environment and the running stack.

    What the command reads is recorded in the audit trail at its end.
    """
    from account_reviews.bootstrap import open_parts
    from account_reviews.cli.access_log import hush, recording_reads, who_says
    from account_reviews.config.settings import Settings

    hush()
    async with open_parts(Settings.load(), application="reviews-cli") as parts:
        parts.audit.actor = who_says() or parts.audit.actor
        with recording_reads(parts.audit):
            async with _explaining(parts):
                yield parts


@asynccontextmanager
async def _explaining(parts: "Parts") -> AsyncIterator[None]:
    """Turn every failed call to Temporal inside into our error, and have errors speak to people
    of people and accounts by their names.

    Temporal was not called where the SDK was never loaded, and it is not loaded to find that out.
    """
    from account_reviews.domain.errors import ReviewsError

    try:
        yield
    except ReviewsError as error:
        if is_for_people():
            from account_reviews.services.telling import explain

            await explain(parts, error)
        raise
    except Exception as error:
        service = sys.modules.get("temporalio.service")
        if service is None or not isinstance(error, service.RPCError):
            raise
        from account_reviews.temporal.client import explained

        raise explained(error) from error


async def temporal(parts: "Parts") -> "Client":
    """A connection; UnreachableError when there is none."""
    return await parts.connect()


async def temporal_if_there(parts: "Parts") -> "Client | None":
    """A connection, or None: reading goes on from the read model."""
    from account_reviews.domain.errors import UnreachableError

    try:
        return await parts.connect()
    except UnreachableError:
        return None


def temporal_when_needed(parts: "Parts") -> "Connect":
    """The same for whoever may not need it; asked again it gives the same answer."""
    found: list[Client | None] = []

    async def connect() -> "Client | None":
        if not found:
            found.append(await temporal_if_there(parts))
        return found[0]

    return connect
