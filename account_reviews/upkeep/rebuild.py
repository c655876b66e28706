"""Rebuild the read model: each review that Temporal knows is asked for its state."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError

from account_reviews.audit.outages import is_away
from account_reviews.crm.writer import CrmWriter
from account_reviews.domain.errors import UnreachableError
from account_reviews.domain.review.decisions import close_from_outside
from account_reviews.domain.review.state import ReviewState
from account_reviews.services.review_workflows import ENDED_OUTSIDE
from account_reviews.services.standing_writes import settle_what_was_approved
from account_reviews.store.reviews import ReviewStore, Seen
from account_reviews.temporal.executions import describe, first_run_of, is_paused, was_reset
from workflows.account_review import AccountReviewWorkflow

AT_ONCE: Final = 4
QUERY_SECONDS: Final = 10.0
ALL_REVIEWS: Final = "WorkflowType = 'AccountReview'"
_TRIES: Final = 3
"""For a review that saves its rows while it is asked."""

_log = logging.getLogger(__name__)


@dataclass
class RebuildReport:
    """What became of the rows of each review."""

    rebuilt: int = 0
    purged: int = 0
    """Closed longer ago than rows are kept, archived or erased, and without a row: passed over."""
    without_documents: list[str] = field(default_factory=list)
    """Rebuilt, but what they found is stored no more: removed by retention, or lost."""
    paused: list[str] = field(default_factory=list)
    """Paused in Temporal, where nobody answers: their rows are as they were saved last."""
    failed: list[str] = field(default_factory=list)
    """These did not answer."""


async def rebuild(
    client: Client,
    store: ReviewStore,
    *,
    only: str | None = None,
    closed_since: datetime | None = None,
    writer: CrmWriter | None = None,
) -> RebuildReport:
    """Replace the rows of every review that Temporal still knows. Needs a running worker.

    `only` narrows it by a list filter of Temporal's. Reviews that were closed before `closed_since`
    and have no row stay without one, and so do those that were archived or erased. One that fails
    holds up no other. `writer` is asked which approved writes stand of those that ended without
    their closing steps.
    UnreachableError when Temporal does not list, or the database is down.
    """
    wanted = f"{ALL_REVIEWS} and {only}" if only else ALL_REVIEWS
    rebuilder = _Rebuilder(client, store, closed_since, writer)
    try:
        newest = await rebuilder.newest([found async for found in client.list_workflows(wanted)])
    except RPCError as error:
        raise UnreachableError(f"Temporal does not list its workflows: {error.message}") from None
    await asyncio.gather(*(rebuilder.one(found) for found in newest))
    return rebuilder.report


class _Rebuilder:
    def __init__(
        self,
        client: Client,
        store: ReviewStore,
        closed_since: datetime | None,
        writer: CrmWriter | None,
    ) -> None:
        self._client = client
        self._store = store
        self._closed_since = closed_since
        self._writer = writer
        self._gate = asyncio.Semaphore(AT_ONCE)
        self.report = RebuildReport()

    async def newest(
        self, listed: Iterable[WorkflowExecution]
    ) -> list[WorkflowExecutionDescription]:
        """The last run of each review. Lists may lag behind, so each is described."""
        went_on = WorkflowExecutionStatus.CONTINUED_AS_NEW
        one_by_one = (self._described(found) for found in listed if found.status is not went_on)
        found = [one for one in await asyncio.gather(*one_by_one) if one is not None]
        # After a reset two runs have one first run id, and their rows one key.
        last: dict[str, WorkflowExecutionDescription] = {}
        for one in sorted((one for one in found if not was_reset(one)), key=_by_end):
            last[first_run_of(one)] = one
        return list(last.values())

    async def _described(self, found: WorkflowExecution) -> WorkflowExecutionDescription | None:
        async with self._gate:
            return await describe(self._client, found.id, found.run_id)

    async def one(self, found: WorkflowExecutionDescription) -> None:
        """Bring the rows of one review up to date, and report it."""
        name = f"{found.id} (run {found.run_id})"
        try:
            async with self._gate:
                await self._one(found, name)
        except Exception as error:
            if is_away(error):
                raise
            _log.error("%s cannot be rebuilt", name, exc_info=error)
            self.report.failed.append(name)

    async def _one(self, found: WorkflowExecutionDescription, name: str) -> None:
        for _ in range(_TRIES):
            seen = await self._store.seen(first_run_of(found))
            if await self._was_removed(found, seen):
                self.report.purged += 1
                return
            if is_paused(found):
                self.report.paused.append(name)
                return
            state = await self._state_of(found)
            if state is None:
                self.report.failed.append(name)
                return
            if await self._store.replace(state, seen=seen):
                if await self._store.missing_documents(state):
                    self.report.without_documents.append(name)
                break
        # Without a break it saved its rows itself each time, which is as good.
        self.report.rebuilt += 1

    async def _was_removed(self, found: WorkflowExecution, seen: Seen | None) -> bool:
        """Archived or erased, also when a person was taken out of it. What is open never was."""
        if found.close_time is None:
            return False
        since = self._closed_since
        is_old = seen is None and since is not None and found.close_time < since
        return is_old or await self._store.was_removed(found.run_id)

    async def _state_of(self, found: WorkflowExecutionDescription) -> ReviewState | None:
        """What the review says of itself, settled by what Temporal says of its end."""
        handle = self._client.get_workflow_handle_for(
            AccountReviewWorkflow.run, found.id, run_id=found.run_id
        )
        try:
            asked = handle.query(AccountReviewWorkflow.snapshot)
            state = await asyncio.wait_for(asked, QUERY_SECONDS)
            ended = await handle.describe() if state.outcome is None else None
        except (TimeoutError, RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
            return None
        if ended is not None:
            await settle(state, ended, self._writer)
        return state


def _by_end(found: WorkflowExecutionDescription) -> tuple[bool, datetime]:
    return found.close_time is None, found.close_time or found.start_time


async def settle(
    state: ReviewState, found: WorkflowExecution, writer: CrmWriter | None = None
) -> None:
    """Close the state of a terminated review: it never ran its own closing steps.

    What it approved may stand in the CRM, which is asked first. CrmError, UnreachableError when it
    cannot answer now.
    """
    if found.status in ENDED_OUTSIDE and found.close_time is not None:
        reason = f"{found.status.name.lower()} in Temporal"
        if writer is not None:
            await settle_what_was_approved(writer, state, found.close_time, reason=reason)
        close_from_outside(state, ENDED_OUTSIDE[found.status], reason, found.close_time)
