"""Closed reviews make room: each is archived, then its rows go. What is open never does."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.archive import archive_document
from account_reviews.domain.retention import keeping
from account_reviews.store.retention import BATCH, Removed, count_due, remove_old


async def purge(
    engine: AsyncEngine,
    policy: Policy,
    tenant: str,
    *,
    actor: str,
    now: datetime,
    older_than: timedelta | None = None,
    dry_run: bool = False,
    batch: int = BATCH,
) -> Removed:
    """By the policy; `older_than` is meant in place of `retention.closed`.

    With `dry_run` reviews are counted, and nothing changes. UnreachableError.
    """
    kept = keeping(policy, now, older_than)
    if dry_run:
        return await count_due(engine, tenant, kept)
    make = partial(archive_document, policy=policy)
    return await remove_old(engine, tenant, kept, make, actor=actor, batch=batch)
