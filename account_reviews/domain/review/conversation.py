"""The conversation about a review: questions, answers, what they add. Pure."""

from typing import Final

from account_reviews.domain.analysis.model import Finding
from account_reviews.domain.base import Timestamp
from account_reviews.domain.review.bounds import CONVERSATION_BYTES, bytes_of, cut
from account_reviews.domain.review.commands import (
    AnsweredTurn,
    Ask,
    AskAnswer,
    CommandRefusal,
    CommandRefused,
)
from account_reviews.domain.review.control import answer as answer_to
from account_reviews.domain.review.control import (
    be_touched,
    refuse,
    refused_when_over,
    with_reason,
)
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.state import ReviewState, Turn

MOST_OPEN: Final = 8
"""Questions that may wait for an answer; the next one is refused as busy."""
MOST_TURNS: Final = 100
MOST_FINDINGS: Final = 50
ANSWER_BYTES: Final = 8000


def unanswered(state: ReviewState) -> tuple[Turn, ...]:
    """The questions that wait, in the order they were asked."""
    return tuple(one for one in state.conversation if one.answer is None)


def busy(state: ReviewState) -> CommandRefused | None:
    """What the door turns away."""
    if len(unanswered(state)) < MOST_OPEN:
        return None
    why = f"{MOST_OPEN} questions wait for an answer already (phase {state.phase})"
    return CommandRefused(code=CommandRefusal.BUSY, message=why)


def ask(state: ReviewState, said: Ask, now: Timestamp) -> Turn | CommandRefused:
    """Take a question; allowed while the review waits, and in an interactive one."""
    if closed := refused_when_over(state, "ask", said.by, now):
        return closed
    if state.paused is not None:
        why = f"the review is paused by {state.paused.by} (phase {state.phase}); resume it first"
        return refuse(state, CommandRefusal.WRONG_PHASE, why, said.by, now)
    waits = state.phase is Phase.APPROVAL or (state.interactive and state.analysis is not None)
    if not waits:
        why = f"a question can be asked while the review waits (it is in phase {state.phase})"
        return refuse(state, CommandRefusal.WRONG_PHASE, why, said.by, now)
    if refused := busy(state):
        return refuse(state, refused.code, refused.message, said.by, now)
    number = state.conversation[-1].number + 1 if state.conversation else 1
    turn = Turn(number=number, by=said.by, question=said.question, asked_at=now)
    state.conversation = (*state.conversation, turn)
    state.count(commands=1)
    be_touched(state, now)
    state.record(now, "asked", with_reason(said.question, said.reason), said.by)
    return turn


def answer(
    state: ReviewState, number: int, text: str, findings: tuple[Finding, ...], now: Timestamp
) -> tuple[Finding, ...]:
    """Note the answer of a turn; gives what it found beside the analysis. Old turns make room."""
    new = tuple(one for one in findings if one not in state.findings)
    state.findings = (*state.findings, *new)[:MOST_FINDINGS]
    state.conversation = _within_bounds(
        tuple(
            one.model_copy(
                update={
                    "answer": cut(text, ANSWER_BYTES),
                    "answered_at": now,
                    "findings": len(new),
                }
            )
            if one.number == number
            else one
            for one in state.conversation
        )
    )
    state.count(turns=1)
    be_touched(state, now)
    state.record(now, "answered", f"question {number}")
    return new


def answer_of(state: ReviewState, number: int, found: tuple[Finding, ...]) -> AskAnswer | None:
    """The turn with its answer and what it `found`; None when it made room for later ones."""
    turn = next((one for one in state.conversation if one.number == number), None)
    if turn is None or turn.answer is None:
        return None
    shown = AnsweredTurn(
        number=number,
        question=turn.question,
        answer=turn.answer,
        evidence=tuple(one for finding in found for one in finding.evidence),
        findings=found,
        answered_at=turn.answered_at,
    )
    return AskAnswer(**answer_to(state, "answered").model_dump(), turn=shown)


def _within_bounds(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    while len(turns) > 1 and (len(turns) > MOST_TURNS or bytes_of(turns) > CONVERSATION_BYTES):
        oldest = next((one for one in turns if one.answer is not None), None)
        if oldest is None or oldest is turns[-1]:
            return turns
        turns = tuple(one for one in turns if one is not oldest)
    return turns
