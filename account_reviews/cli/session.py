"""What a command needs while it runs: settings, parts, and Temporal when it is asked for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.bootstrap import Parts


@asynccontextmanager
async def open_session() -> "AsyncIterator[Parts]":
    """The parts of this process, from the environment and the running stack.

    What the command reads is told to the audit trail at its end.
    """
    from account_reviews.bootstrap import open_parts
    from account_reviews.cli.access_log import hush, telling_reads, who_says
    from account_reviews.config.settings import Settings
    from account_reviews.temporal.client import answering

    hush()
    async with open_parts(Settings.load(), application="reviews-cli") as parts:
        parts.audit.asking.actor = who_says() or parts.audit.asking.actor
        with telling_reads(parts.audit, parts.settings.tenant), answering():
            yield parts


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
