"""An account that the CRM says has changed is reviewed: by its open review, else by a new one.

Whatever is done is done under the id of its handling, so that a worker which does it again after a
crash starts nothing twice and asks for nothing twice.
"""

from typing import Final, NamedTuple

from temporalio.client import Client, WorkflowExecutionDescription

from account_reviews.bootstrap import Parts
from account_reviews.domain.crm_events import HANDLING, EventOutcome
from account_reviews.domain.errors import (
    ConflictError,
    ReviewAlreadyRunningError,
    ReviewNotFoundError,
)
from account_reviews.domain.records import Account
from account_reviews.domain.review.messages import Refresh
from account_reviews.domain.review.state import ReviewInput, ReviewKind, ReviewState
from account_reviews.services.review_workflows import ask, handle_of
from account_reviews.services.starts import start_one
from account_reviews.store.event_queue import DueAccount, Watched
from account_reviews.temporal import names
from account_reviews.temporal.executions import describe, first_run_of, is_open
from account_reviews.temporal.signals import signal_once

_ROUNDS: Final = 3
"""A review may close while it is asked, and another begin while one is started."""


class Followed(NamedTuple):
    """What was done, and by which review. `watched` where it has to be seen that it was read."""

    outcome: EventOutcome
    run_id: str | None
    watched: Watched | None = None


async def follow(parts: Parts, client: Client, account: Account, due: DueAccount) -> Followed:
    """Have the account read from now on. HaltedError, UnreachableError, RPCError, BadInputError."""
    review_id = names.review_id(account.id, parts.settings.tenant)
    for _ in range(_ROUNDS):
        newest = await describe(client, review_id)
        if newest is not None and await _is_ours(newest, due):
            return Followed(EventOutcome.STARTED, first_run_of(newest))
        if newest is not None and is_open(newest):
            found = await _refresh(parts, client, newest, due)
        else:
            found = await _start(parts, client, account, due)
        if found is not None:
            return found
    raise ConflictError(f"the reviews of account {account.id} begin and end too fast")


async def was_read(parts: Parts, due: DueAccount) -> bool | None:
    """Whether the review that was asked has read the account since. None: it may still do so."""
    found = await parts.reader.find_by_run(parts.settings.tenant, due.watched_run_id or "")
    if found is None:
        return True  # its row is gone: that was long ago
    state = found.state
    if read_at(state) != due.watched_snapshot and state.refresh is None:
        return True
    return None if state.closed_at is None else False


def read_at(state: ReviewState) -> str | None:
    """When what the review knows of the account was read."""
    return None if state.snapshot is None else state.snapshot.fetched_at.isoformat()


async def _is_ours(newest: WorkflowExecutionDescription, due: DueAccount) -> bool:
    """Whether this handling has started it already."""
    return bool(await newest.memo_value(HANDLING, None, type_hint=str) == due.handling_id)


async def _start(
    parts: Parts, client: Client, account: Account, due: DueAccount
) -> Followed | None:
    """None: one was begun meanwhile."""
    start = ReviewInput(
        account_id=account.id,
        tenant=parts.settings.tenant,
        kind=ReviewKind.EVENT,
        started_by=_who(due),
        as_of=await parts.default_as_of(),
        execution=await parts.execution(),
        metadata={HANDLING: due.handling_id},
    )
    try:
        state = await start_one(parts, client, start, account)
    except ReviewAlreadyRunningError:
        return None
    return Followed(EventOutcome.STARTED, state.run_id)


async def _refresh(
    parts: Parts, client: Client, newest: WorkflowExecutionDescription, due: DueAccount
) -> Followed | None:
    """None: it has closed meanwhile."""
    run_id = first_run_of(newest)
    state = await _state(parts, client, newest.id, run_id)
    before = None if state is None else read_at(state)
    if state is None or state.refresh is None:  # else it is about to read, after all of these
        sent = await signal_once(
            client,
            newest.id,
            "refresh",
            Refresh(by=_who(due)),
            request_id=f"event/{due.handling_id}",
        )
        if not sent:
            return None
    return Followed(EventOutcome.REFRESHED, run_id, Watched(run_id=run_id, snapshot=before))


async def _state(parts: Parts, client: Client, review_id: str, run_id: str) -> ReviewState | None:
    """As the review answers itself, else as its row has it; None where nobody knows it yet."""
    live = await ask(handle_of(client, review_id, run_id))
    if live is not None:
        return live
    try:
        found = await parts.reader.find_run(
            tenant=parts.settings.tenant, review_id=review_id, run_id=run_id
        )
    except ReviewNotFoundError:
        return None
    # What it asked for by now is not in its row: it is asked again.
    return found.state.model_copy(update={"refresh": None})


def _who(due: DueAccount) -> str:
    return "crm" if len(due.sources) != 1 else f"crm/{due.sources[0]}"
