"""Whether a review can be taken up again, for people and for agents that ask in JSON."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from account_reviews.bootstrap import Parts
from account_reviews.domain.errors import ReviewNotFoundError, UnreachableError
from account_reviews.domain.review.resume import (
    AgentReason,
    Resumable,
    agent_answer,
    agent_id_of,
    resume_of,
)
from account_reviews.services.reviews import Connect, find_review, see

if TYPE_CHECKING:
    from account_reviews.domain.review.state import ReviewState


class Decided(NamedTuple):
    """The decision; `state` is None for a review that is not there."""

    decision: Resumable
    state: "ReviewState | None" = None
    source: str | None = None


async def decide_on(
    parts: Parts, connect: Connect, review: str, run_id: str | None = None
) -> Decided:
    """By review id or account id: the open review answers itself, else its row counts.

    UnreachableError when the database is away.
    """
    try:
        found = await find_review(parts, review, run_id)
    except ReviewNotFoundError as error:
        by_run = None
        if "\x00" not in review:  # no text in the database has one
            by_run = await parts.reader.find_by_run(parts.settings.tenant, review)
        if by_run is None:
            return Decided(Resumable(resumable=False, reason=error.message))
        found = by_run
    seen = await see(connect, found)
    state, source, standing = seen.state, seen.source, seen.standing
    if standing in ("gone", "closed"):
        ended = "does not know it any more" if standing == "gone" else "has closed it"
        return Decided(Resumable(resumable=False, reason=f"Temporal {ended}"), state, source)
    rules = parts.policy.resume
    decision = resume_of(
        state,
        max_errors=rules.max_errors,
        now=datetime.now(UTC),
        max_age=rules.context_max_age,
    )
    return Decided(decision, state, source)


async def answer_agent(parts: Parts, connect: Connect, context: object) -> dict[str, Any]:
    """The answer to what an agent sent. It raises nothing."""
    try:
        named = agent_id_of(context)
        if named is None:
            return agent_answer(context, AgentReason.NO_EXISTING_SESSION)
        decided = await decide_on(parts, connect, named)
    except UnreachableError as error:
        return agent_answer(context, AgentReason.MODULE_NOT_FOUND, said=error.message)
    except Exception as error:  # noqa: BLE001  an agent has no use for a traceback
        return broken(context, error)
    state, resumable = decided.state, decided.decision.resumable
    reason = AgentReason.SESSION_RESUMABLE if resumable else AgentReason.SESSION_NOT_RESUMABLE
    return agent_answer(
        context,
        reason,
        agent_id=state.review_id if state else named,
        state=state,
        said=decided.decision.reason,
    )


def broken(context: object, error: Exception) -> dict[str, Any]:
    """The answer when something went wrong."""
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    return agent_answer(context, AgentReason.ERROR, said=" ".join(str(message).split()))
