"""Whether the memory answers, is young enough, and gets what closed reviews want remembered."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config.settings import Settings
from account_reviews.domain.memory_sync import STALE_AFTER
from account_reviews.memory.choice import MemoryContext, open_memory
from account_reviews.store.memory_outbox import MemoryOutbox
from account_reviews.store.memory_syncs import MemorySyncs
from account_reviews.upkeep.examination import NeedError, detail_of

REMEMBERED_WITHIN: Final = timedelta(hours=1)
"""What is handed over to the memory again and again waits an hour for its turn at most."""


async def examine_memory(settings: Settings, engine: AsyncEngine) -> str:
    """What is well. NeedError."""
    tenant = settings.tenant
    async with AsyncExitStack() as closing:
        context = MemoryContext(settings, engine, closing, lambda _: None)
        detail = detail_of(await open_memory(context).health())
    synced = await MemorySyncs(engine).view(tenant)
    if synced.stale:
        raise NeedError(
            f"{detail}; it was synced with the CRM more than {STALE_AFTER.days} days ago",
            "run `reviews memory sync incremental`, or schedule the job memory_sync",
        )
    waiting = await MemoryOutbox(engine).waiting(tenant)
    if waiting.since is None:
        return f"{detail}; no outcome waits to be remembered"
    what = "the outcome of one review waits" if waiting.reviews == 1 else None
    what = what or f"the outcomes of {waiting.reviews} reviews wait"
    found = f"{what} to be remembered, since {waiting.since:%Y-%m-%d %H:%MZ}"
    if datetime.now(UTC) - waiting.since > REMEMBERED_WITHIN:
        why = f": {waiting.reason}" if waiting.reason else ""
        hint = "a worker hands them over: see whether one runs, and its log"
        raise NeedError(f"{found}{why}", hint)
    return f"{detail}; {found}"
