"""A place for an interactive review before it starts: at most so many are open per tenant."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import uuid4

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts
from account_reviews.domain.admission import (
    GRACE,
    MEMO,
    Execution,
    Reservation,
    Verdict,
    full,
    judge,
)
from account_reviews.domain.errors import ReviewsError, UnreachableError
from account_reviews.domain.review.state import ReviewInput
from account_reviews.store.transactions import Ask
from account_reviews.temporal import names
from account_reviews.temporal.client import explained
from account_reviews.temporal.executions import describe, first_run_of, is_open

START_SECONDS: Final = 20.0
CHECK_SECONDS: Final = 10.0
CHECKED: Final = 200
"""Reservations that are looked up for one start, at most; the next start takes the next ones."""
_AT_ONCE: Final = 16


@asynccontextmanager
async def admitted(
    parts: Parts, client: Client, start: ReviewInput, ask: Ask
) -> AsyncIterator[ReviewInput]:
    """The review as it is to be started, inside and at once. `ask` holds on until after that.

    An interactive one has a place then: LimitReachedError when there is none, UnreachableError when
    the database is down. One that is refused gives its place back. Where nobody can say whether it
    was started the place stays taken until Temporal says; UnreachableError tells so.
    """
    if not start.interactive:
        yield start
        return
    reservation_id = uuid4().hex
    await parts.admission.hold(ask, reservation_id)
    await _take(parts, client, reservation_id, names.review_id(start.account_id, start.tenant))
    try:
        async with asyncio.timeout(START_SECONDS):
            yield start.model_copy(update={"reservation_id": reservation_id})
    except TimeoutError:
        raise _unknown(start.account_id) from None
    except (ReviewsError, RPCError) as error:
        if _is_refusal(error):
            with suppress(UnreachableError):  # then it is looked up when the house is full
                await parts.admission.give_back(reservation_id)
        raise


async def is_under_review(client: Client, start: ReviewInput) -> bool:
    """Whether the account has an open review, as Temporal says."""
    newest = await _newest(client, names.review_id(start.account_id, start.tenant))
    return newest is not None and newest.is_open


async def _take(parts: Parts, client: Client, reservation_id: str, workflow_id: str) -> None:
    most = parts.policy.admission.max_open
    for last in (False, False, True):
        if await parts.admission.take(reservation_id, workflow_id, most=most):
            return
        if last or not await _make_room(parts, client):
            break
    raise full(most)


async def _make_room(parts: Parts, client: Client) -> bool:
    """Free the places of reviews that are closed, or never began. False: all are in use.

    UnreachableError when Temporal does not say.
    """
    seen = await parts.admission.to_check(CHECKED)
    verdicts = await _verdicts(client, seen)
    free = [one for one, verdict in verdicts if verdict is Verdict.FREE]
    if free:
        await parts.admission.settle(free)
        return True
    if any(verdict is Verdict.LATER for _, verdict in verdicts):
        await asyncio.sleep(GRACE.total_seconds())
        return True
    return False


async def _verdicts(client: Client, seen: list[Reservation]) -> list[tuple[Reservation, Verdict]]:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(reservation: Reservation) -> tuple[Reservation, Verdict]:
        async with gate:
            return reservation, judge(reservation, await _newest(client, reservation.workflow_id))

    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return list(await asyncio.gather(*(one(each) for each in seen)))
    except TimeoutError:
        raise UnreachableError(
            "Temporal does not say which reviews are open", hint="see `reviews doctor`"
        ) from None
    except RPCError as error:
        raise explained(error) from error


async def _newest(client: Client, workflow_id: str) -> Execution | None:
    found = await describe(client, workflow_id)
    if found is None:
        return None
    return Execution(
        run_id=first_run_of(found),
        reservation_id=await found.memo_value(MEMO, None, type_hint=str),
        is_open=is_open(found),
    )


def _is_refusal(error: ReviewsError | RPCError) -> bool:
    """Whether nothing was started, for certain: what was tried again may have been done before."""
    if isinstance(error, RPCError):
        return error.status is RPCStatusCode.INVALID_ARGUMENT
    return not isinstance(error, UnreachableError)


def _unknown(account_id: str) -> UnreachableError:
    return UnreachableError(
        f"Temporal did not answer within {START_SECONDS:.0f} s; the review of {account_id} may"
        " still be started",
        hint=f"look with `reviews show {account_id}`",
    )
