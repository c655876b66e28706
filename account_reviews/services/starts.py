"""Start reviews: for commands, pages, programs and what the CRM says has changed alike."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.domain.base import Timestamp
from account_reviews.domain.errors import ReviewAlreadyRunningError, ReviewsError
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.services.admission import admitted, is_under_review
from account_reviews.services.halts import starting
from account_reviews.services.reviews import find_review, open_review
from account_reviews.services.start_accounts import clock_of
from account_reviews.services.undo import Wanted
from account_reviews.temporal import names
from account_reviews.temporal.client import explained
from starter import start_review

_AT_ONCE: Final = 8


async def template(
    parts: Parts,
    *,
    started_by: str,
    as_of: Timestamp | None = None,
    interactive: bool = False,
    **fields: Any,
) -> ReviewInput:
    """What reviews of any account are started with; `fields` are those of ReviewInput.

    Without `as_of` the clock is that of the CRM.
    """
    clock, clock_given = (as_of, True) if as_of else await clock_of(parts)
    idle = parts.policy.idle.timeout if interactive else None
    return ReviewInput(
        account_id="",
        tenant=parts.settings.tenant,
        started_by=started_by,
        as_of=clock,
        clock_given=clock_given,
        give_up_after_seconds=parts.policy.gather.give_up_after.total_seconds(),
        execution=await parts.execution(),
        interactive=interactive,
        idle_seconds=None if idle is None else idle.total_seconds(),
        **fields,
    )


async def start_one(
    parts: Parts, client: Client, start: ReviewInput, account: Account
) -> ReviewState:
    """Start a review and store its first row, unless everything is stopped or no place is free.

    ReviewAlreadyRunningError, HaltedError, LimitReachedError, UnreachableError.
    """
    async with starting(parts) as ask, admitted(parts, client, start, ask) as review:
        _, state = await start_review(client, review, account)
    await parts.first_rows.open_run(state)
    return state


async def start_or_join(
    parts: Parts, client: Client, start: ReviewInput, account: Account
) -> tuple[ReviewState, bool]:
    """As `start_one`; where a review of the account is open, that one, and True."""
    try:
        if start.interactive and await is_under_review(client, start):
            raise ReviewAlreadyRunningError  # which takes no place
        return await start_one(parts, client, start, account), False
    except ReviewAlreadyRunningError:
        return await open_review(parts, client, account.id), True


async def start_undo(parts: Parts, client: Client, wanted: Wanted) -> tuple[ReviewState, bool]:
    """Start the review that asks for a write to be taken back, or find the open one, and True."""
    undo = wanted.start.undo
    assert undo is not None
    try:
        async with starting(parts):
            _, state = await start_review(client, wanted.start, wanted.account)
    except ReviewAlreadyRunningError:
        found = await find_review(parts, names.undo_id(undo.run_id, undo.change_id))
        return found.state, True
    await parts.first_rows.open_run(state)
    return state, False


async def start_each(
    accounts: list[Account], one: Callable[[Account], Awaitable[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """A row for each account: what `one` gives, or why there is no review. The others go on."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def row(account: Account) -> dict[str, Any]:
        async with gate:
            try:
                return await one(account)
            except (ReviewsError, RPCError) as error:
                said = explained(error) if isinstance(error, RPCError) else error
                return {"account_id": account.id, "error": said.message}

    return list(await asyncio.gather(*map(row, accounts)))
