"""Whether a review can be taken up again, and how an agent that asks in JSON is answered. Pure.

The reasons of the answer to an agent are words that agents of earlier systems know.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from math import isfinite
from typing import Any

from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import plain
from account_reviews.domain.counting import counted
from account_reviews.domain.durations import format_duration
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState

MOST_BYTES = 1_000_000
"""Of what an agent sends."""


class Resumable(Model):
    """The decision, and a sentence why."""

    resumable: bool
    reason: str


class AgentReason(StrEnum):
    """Why an agent is to go on with a review, or not."""

    NO_EXISTING_SESSION = "no_existing_session"
    """It named none."""
    MODULE_NOT_FOUND = "module_not_found"
    """What keeps reviews cannot be reached."""
    SESSION_RESUMABLE = "session_resumable"
    SESSION_NOT_RESUMABLE = "session_not_resumable"
    """There is no such review, or it cannot be taken up again."""
    ERROR = "error"
    """What it said cannot be read, or something is broken."""


def decide_resume(
    phase: Phase,
    errors: int,
    *,
    max_errors: int = 3,
    age: timedelta | None = None,
    max_age: timedelta | None = None,
) -> Resumable:
    """Yes in a phase in which somebody can go on, with fewer than `max_errors` errors.

    `age` is how long nothing was saved of it; with `max_age` an older context is not taken up.
    """
    if phase.is_final:
        return Resumable(resumable=False, reason=f"it is closed: the phase is {phase}")
    if not phase.is_resumable:
        return Resumable(resumable=False, reason=f"the phase is {phase}")
    if errors >= max_errors:
        why = f"{counted(errors, 'error')} so far; from {max_errors} on it is not taken up"
        return Resumable(resumable=False, reason=why)
    if max_age is not None and age is not None and age > max_age:
        limit = format_duration(max_age)
        return Resumable(resumable=False, reason=f"its context is older than {limit}")
    return Resumable(resumable=True, reason=f"the phase is {phase}")


def resume_of(
    state: ReviewState,
    *,
    max_errors: int = 3,
    now: Timestamp | None = None,
    max_age: timedelta | None = None,
) -> Resumable:
    """The decision on a review, by the limit of errors that its analysis fixed, else `max_errors`.

    Without `now` its age counts for nothing, as in the query: a workflow that waits has no clock.
    """
    limit = state.analysis.terms.max_errors if state.analysis else max_errors
    age = None if now is None else now - state.updated_at
    return decide_resume(state.phase, state.error_count, max_errors=limit, age=age, max_age=max_age)


def read_context(sent: bytes) -> object:
    """What an agent sent. BadInputError when that is no JSON, or too much of it."""
    if len(sent) > MOST_BYTES:
        raise BadInputError(f"the input is longer than {MOST_BYTES:,} bytes")
    try:
        return json.loads(sent.decode(), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise BadInputError(f"the input is not JSON: {why}") from None


def agent_id_of(context: object) -> str | None:
    """The review that an agent names, as review id, account id or run id; None when it names none.

    TypeError for a context that is no object.
    """
    if not isinstance(context, Mapping):
        raise TypeError("the input is not a JSON object")
    named = context.get("agent_id")
    return named if isinstance(named, str) and named.strip() else None


def agent_answer(
    context: object,
    reason: AgentReason,
    *,
    agent_id: str | None = None,
    state: ReviewState | None = None,
    said: str | None = None,
) -> dict[str, Any]:
    """The JSON document an agent gets; `context` is what it sent, `said` a sentence more.

    With a `state` that is resumable it holds what the agent goes on with.
    """
    resumes = reason is AgentReason.SESSION_RESUMABLE and state is not None
    answer: dict[str, Any] = {
        "should_resume": resumes,
        "reason": reason.value,
        "agent_id": agent_id,
        "resume_metadata": _metadata(state) if resumes and state is not None else None,
        "original_context": context,
    }
    if said is not None:
        answer["error" if reason is AgentReason.ERROR else "detail"] = said
    return answer


def _metadata(state: ReviewState) -> object:
    return plain(
        {
            "previous_phase": state.phase,
            "created_at": state.started_at,
            "last_updated": state.updated_at,
            "history": [move.model_dump() for move in state.history],
            "session_metadata": state.metadata,
            "context": state.context,
            "plan": list(state.plan),
            "step": state.step,
            "version": state.version,
            "run_id": state.run_id,
        }
    )


def _finite(digits: str) -> float:
    """The number. ValueError for one so large that it could not be sent back as JSON."""
    number = float(digits)
    if not isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")
