"""What people and agents say to a review beside decisions, and what became of it."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any, Final

from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError as UpdateTimeoutError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    LimitReachedError,
    NegativeAnswerError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.domain.review.commands import (
    AskAnswer,
    CommandAnswer,
    CommandRefusal,
    ProposalAnswer,
    Said,
)
from account_reviews.domain.review.state import ReviewState
from account_reviews.services.access import require
from account_reviews.services.review_workflows import gone, handle_of
from account_reviews.services.reviews import find_review
from account_reviews.temporal.client import explained, is_at_a_standstill
from account_reviews.temporal.executions import Standing, standing_of, unpause_hint

UPDATE_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
"""For what asks CRM or memory before it answers."""
CLOSED_SECONDS: Final = 5.0
_PAUSE: Final = 0.05
SIGNALS: Final = frozenset({"pause", "resume", "close", "annotate", "touch", "delegate"})
"""What can be sent to a review that is paused in Temporal, where it waits."""
QUEUED: Final = "sent; it counts when the review, which is paused in Temporal, goes on"
_ANSWERS: Final[dict[str, type[CommandAnswer]]] = {"ask": AskAnswer, "propose": ProposalAnswer}
_ABOUT_THE_REVIEW: Final = {RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION}
_NO_HANDLER: Final = "Update handler for "
"""What the SDK of a worker begins with that does not know an update at all."""
_REFUSALS: Final[dict[str, type[ReviewsError]]] = {
    CommandRefusal.BAD_CHANGE: BadInputError,
    CommandRefusal.TOO_LARGE: BadInputError,
    "bad_shape": BadInputError,
    CommandRefusal.NOT_ALLOWED: NegativeAnswerError,
    CommandRefusal.BUSY: LimitReachedError,
}
"""All others are conflicts with what the review does now."""


@dataclass(frozen=True)
class Commanded:
    """What became of a command: the answer of the review, or why there is none."""

    state: ReviewState
    """Its row, as it was found."""
    message: str
    answer: CommandAnswer | None = None
    queued: bool = False
    """Sent, and nobody can say yet what becomes of it."""

    def document(self) -> dict[str, Any]:
        """What programs get."""
        state, answer = self.state, self.answer
        now = state if answer is None else answer
        known = {"review_id", "run_id", "phase", "status", "version", "message"}
        return {
            "review_id": state.review_id,
            "run_id": state.run_id,
            "account_id": state.account_id,
            "phase": now.phase,
            "status": now.status,
            "outcome": state.outcome,
            "version": now.version,
            "queued": self.queued,
            "message": self.message,
            **({} if answer is None else answer.model_dump(exclude=known)),
        }


async def command(
    parts: Parts,
    client: Client,
    review: str,
    verb: str,
    said: Said,
    *,
    run_id: str | None = None,
    command_id: str | None = None,
) -> Commanded:
    """Say it to the review and give its answer.

    ConflictError where the review does not take it now, BadInputError for what does not fit,
    NegativeAnswerError for whoever may not, LimitReachedError for one question too many.
    UnreachableError when nobody answered: then it may still be applied, and repeating it with the
    same command id is safe. A closed review takes nothing: to `close` that is no error.
    """
    state = (await find_review(parts, review, run_id)).state
    if state.closed_at is not None:
        return _of_closed(state, verb, f"the review is closed already: {state.outcome}")
    await require(parts, verb, said.by, state)
    body = said.model_dump(mode="json", exclude_none=True, exclude_unset=True) | {"by": said.by}
    known = command_id or uuid.uuid4().hex
    seconds = ANSWER_SECONDS if verb in _ANSWERS else UPDATE_SECONDS
    try:
        answer = await asyncio.wait_for(_send(client, state, verb, body, known), seconds)
    except (TimeoutError, UpdateTimeoutError):
        raise UnreachableError(
            f"no worker answered within {seconds:.0f} s; {verb} may still be applied",
            hint=f"start a worker, then repeat with --command-id {known}",
        ) from None
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from None
    except RPCError as error:
        if is_at_a_standstill(error) or error.status not in _ABOUT_THE_REVIEW:
            raise explained(error) from None
        return await _not_taken(client, state, verb, body, error)
    return Commanded(state, answer.message or "done", answer)


async def until_closed(parts: Parts, done: Commanded) -> Commanded:
    """Wait until the row shows the end that was asked for, for CLOSED_SECONDS at most."""
    for _ in range(round(CLOSED_SECONDS / _PAUSE)):
        now = (await find_review(parts, done.state.review_id, done.state.run_id)).state
        if now.closed_at is not None:
            return Commanded(now, f"it is closed: {now.outcome}")
        await asyncio.sleep(_PAUSE)
    return done


async def touch(
    parts: Parts, client: Client, review: str, said: Said, *, run_id: str | None = None
) -> Commanded:
    """Say that somebody is here: a signal, which costs the review no answer."""
    state = (await find_review(parts, review, run_id)).state
    if state.closed_at is not None:
        return _of_closed(state, "touch", f"the review is closed already: {state.outcome}")
    await require(parts, "touch", said.by, state)
    body = said.model_dump(mode="json", exclude_none=True)
    try:
        await handle_of(client, state.review_id, state.run_id).signal("touch", body)
    except RPCError as error:
        if error.status not in _ABOUT_THE_REVIEW:
            raise explained(error) from None
        return await _not_taken(client, state, "touch", body, error)
    idle = "it is not interactive, so it has no idle time" if not state.interactive else "touched"
    return Commanded(state, idle)


async def _send(
    client: Client, state: ReviewState, verb: str, body: dict[str, Any], known: str
) -> CommandAnswer:
    handle = handle_of(client, state.review_id, state.run_id)
    kind = _ANSWERS.get(verb, CommandAnswer)
    answer: CommandAnswer = await handle.execute_update(verb, body, id=known, result_type=kind)
    return answer


async def _not_taken(
    client: Client, state: ReviewState, verb: str, body: dict[str, Any], error: RPCError
) -> Commanded:
    """Why Temporal turned it away: the review is paused there, closed, or gone."""
    found = await standing_of(client, state.review_id, state.run_id, state.workflow_run_id)
    if found is Standing.PAUSED:
        if verb not in SIGNALS:
            raise ConflictError(
                f"{verb}: the review is paused in Temporal and answers nothing",
                hint=unpause_hint(state.review_id),
            )
        await handle_of(client, state.review_id, state.run_id).signal(verb, body)
        return Commanded(state, QUEUED, queued=True)
    if found is Standing.GONE:
        raise gone(state.review_id, state.run_id)
    if found is Standing.CLOSED:
        why = "the review has ended in Temporal; its row follows within a minute"
        return _of_closed(state, verb, why)
    raise explained(error)


def _of_closed(state: ReviewState, verb: str, why: str) -> Commanded:
    if verb == "close":
        return Commanded(state, why)
    phase = f" (phase {state.phase})" if state.closed_at is not None else ""
    raise ConflictError(f"{verb}: {why}{phase}")


def _refusal(error: WorkflowUpdateFailedError) -> ReviewsError:
    cause = error.cause
    if not isinstance(cause, ApplicationError):
        return ConflictError(str(cause))
    if cause.message.startswith(_NO_HANDLER):
        return ConflictError(
            "the worker that has this review is of an earlier release and does not know that",
            hint="stop the workers of the old release, then repeat",
        )
    return _REFUSALS.get(cause.type or "", ConflictError)(cause.message)
