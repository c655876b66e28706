"""A person stops a review, also one that Temporal does not know any more."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import ConflictError, UnreachableError
from account_reviews.domain.review.decisions import close_from_outside, skip_what_is_open
from account_reviews.domain.review.messages import CancelReview
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.services.access import require
from account_reviews.services.review_workflows import handle_of, standing
from account_reviews.services.reviews import find_review
from account_reviews.services.standing_writes import note_what_stands
from account_reviews.store.reviews import Seen
from account_reviews.temporal import names
from account_reviews.temporal.executions import Standing

SEEN_SECONDS: Final = 5.0
_PAUSE: Final = 0.05
GONE: Final = "gone from Temporal"


@dataclass(frozen=True)
class Cancelled:
    """The review as its row has it now, and what became of the wish."""

    state: ReviewState
    message: str
    queued: bool = False
    """Sent, and not seen to be done: the review is paused in Temporal, or no worker is at work."""

    def document(self) -> dict[str, Any]:
        """What programs get."""
        shown = {"review_id", "run_id", "account_id", "phase", "status", "outcome", "closed_at"}
        told = self.state.model_dump(include=shown)
        return {**told, "queued": self.queued, "message": self.message}


async def cancel(
    parts: Parts, client: Client, review: str, *, run_id: str | None, by: str, reason: str | None
) -> Cancelled:
    """Have a review stop before its next write; what was written stays. A closed one stays closed.

    One that Temporal does not know is ended in the tables, where nothing else would end it; the CRM
    is asked whether approved writes stand.
    NotAllowedError, UnreachableError when Temporal does not answer, ConflictError when it changed
    meanwhile.
    """
    state = (await find_review(parts, review, run_id)).state
    await require(parts, "cancel", by, state)
    if state.closed_at is not None:
        return Cancelled(state, f"it is closed already: {state.outcome}")
    found = await standing(client, state)
    if found is None:
        raise UnreachableError("Temporal does not answer", hint="see `reviews doctor`")
    if found is Standing.GONE:
        return await _end(parts, state, by, reason)
    if found is Standing.CLOSED:
        return Cancelled(state, "it has ended in Temporal; its row follows within a minute")
    message = CancelReview(by=by, reason=reason)
    body = message.model_dump(mode="json", exclude_none=True)
    await handle_of(client, state.review_id).signal(names.CANCEL_SIGNAL, body)
    if found is Standing.PAUSED:
        return Cancelled(state, "sent; it stops when it is unpaused in Temporal", queued=True)
    return await _until_closed(parts, state)


async def _until_closed(parts: Parts, state: ReviewState) -> Cancelled:
    for _ in range(round(SEEN_SECONDS / _PAUSE)):
        await asyncio.sleep(_PAUSE)
        now = (await find_review(parts, state.review_id, state.run_id)).state
        if now.closed_at is not None:
            ended = "it is stopped" if now.outcome is Outcome.CANCELLED else "it ended before that"
            return Cancelled(now, ended)
    return Cancelled(state, "sent; it stops as soon as a worker is at work", queued=True)


async def _end(parts: Parts, state: ReviewState, by: str, reason: str | None) -> Cancelled:
    seen, now = Seen(state.version, state.workflow_run_id), datetime.now(UTC)
    # What was approved may stand in the CRM, though nobody was left to say so.
    await note_what_stands(parts.writer, state, now, reason=f"written before it was {GONE}")
    state.record(now, "cancelled", f"{GONE}: {reason or 'no reason given'}", by)
    skip_what_is_open(state, GONE, now)  # the CRM was asked: what it does not have was not written
    close_from_outside(state, Outcome.CANCELLED, GONE, now)
    if not await parts.store.replace(state, seen=seen):
        raise ConflictError(
            f"the review {state.review_id} was saved meanwhile", hint="look at it and try again"
        )
    return Cancelled(state, "Temporal does not know it any more: it is ended in the tables")
