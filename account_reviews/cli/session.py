"""What a command needs while it runs: settings, parts, and Temporal when it is asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.bootstrap import Parts


@asynccontextmanager
async def open_session() -> "AsyncIterator[Parts]":
    """The parts of this process, from the environment and the running stack."""
    from account_reviews.bootstrap import open_parts
    from account_reviews.settings import Settings
    from account_reviews.temporal.client import answering

    async with open_parts(Settings.load(), application="reviews-cli") as parts:
        with answering():
            yield parts


async def temporal(parts: "Parts") -> "Client":
    """A connection; UnreachableError when there is none."""
    from account_reviews.temporal.client import connect

    return await connect(parts.settings)


async def temporal_if_there(parts: "Parts") -> "Client | None":
    """A connection, or None: reading goes on from the read model."""
    from account_reviews.domain.errors import UnreachableError
    from account_reviews.temporal.client import connect

    try:
        return await connect(parts.settings)
    except UnreachableError:
        return None
