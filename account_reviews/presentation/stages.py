"""The stages of a review, each with when it was and how it went. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.words import Words


class Progress(StrEnum):
    """How far a stage is."""

    DONE = "done"
    NOW = "now"
    NEXT = "next"
    LEFT_OUT = "left out"
    FAILED = "failed"


SIGNS: Final = {
    Progress.DONE: "✓",
    Progress.NOW: "●",
    Progress.NEXT: "○",
    Progress.LEFT_OUT: "–",
    Progress.FAILED: "✗",
}


class Stage(NamedTuple):
    """One stage. `told` says in words when it was and what came of it."""

    name: str
    progress: Progress
    at: datetime | None
    told: str

    @property
    def sign(self) -> str:
        return SIGNS[self.progress]


class Remembered(NamedTuple):
    """Whether the memory has what the review left for it."""

    put_at: datetime
    delivered_at: datetime | None
    attempts: int


_PLACES: Final = {
    Phase.INITIALIZING: 0,
    Phase.INVESTIGATING: 0,
    Phase.PLANNING: 2,
    Phase.APPROVAL: 3,
    Phase.EXECUTING: 4,
    Phase.VALIDATING: 5,
}
_NAMES: Final = (
    "Gather", "Analyse", "Propose", "Approval", "Write", "Check", "Remember",
)  # fmt: skip


def stages_of(
    state: ReviewState, words: Words, remembered: Remembered | None = None
) -> tuple[Stage, ...]:
    """Gather, analyse, propose, approval, write, check, remember: in this order."""
    times = _times(state)
    place = _place(state)
    return tuple(
        _stage(state, words, number, name, times[number], place, remembered)
        for number, name in enumerate(_NAMES)
    )


def _times(state: ReviewState) -> list[datetime | None]:
    """When each stage began last."""
    found: list[datetime | None] = [None] * len(_NAMES)
    found[0] = state.started_at
    for move in state.history:
        if move.to_phase in _PLACES:
            found[_PLACES[move.to_phase]] = move.at
    analysed = [line.at for line in state.timeline if line.kind == "analysed"]
    found[1] = analysed[-1] if analysed else None
    found[6] = state.closed_at
    return found


def _place(state: ReviewState) -> int:
    """Which stage it is at now; behind the last one once it has ended."""
    if state.closed_at is not None:
        return len(_NAMES)
    place = _PLACES.get(state.phase, 0)
    return 1 if place == 0 and state.snapshot is not None and state.analysis is None else place


def _stage(
    state: ReviewState,
    words: Words,
    number: int,
    name: str,
    at: datetime | None,
    place: int,
    remembered: Remembered | None,
) -> Stage:
    progress = _progress(state, number, at, place)
    if number == 6:
        return _remember(words, at, remembered)
    if progress is Progress.NEXT or at is None:
        return Stage(name, progress, None, "")
    told = f"{words.moment(at)}. {_told(state, number, words)}".removesuffix(". ")
    return Stage(name, progress, at, told)


def _progress(state: ReviewState, number: int, at: datetime | None, place: int) -> Progress:
    if number == place:
        return Progress.NOW
    if number > place:
        return Progress.NEXT
    if at is None:
        ended = state.closed_at is not None
        broken = ended and state.outcome is Outcome.FAILED and number <= 1
        return Progress.FAILED if broken else Progress.LEFT_OUT
    failed = state.outcome is Outcome.FAILED and number == _last_seen(state)
    return Progress.FAILED if failed else Progress.DONE


def _last_seen(state: ReviewState) -> int:
    """The stage in which it was when it ended."""
    phases = [move.from_phase for move in state.history if move.to_phase.is_final]
    return _PLACES.get(phases[-1], 0) if phases else 0


def _told(state: ReviewState, number: int, words: Words) -> str:
    changes = state.changes
    if number == 0 and state.snapshot is not None:
        late = "; the CRM was away, so this is what was read before" if _is_stale(state) else ""
        return f"What the CRM said {words.moment(state.snapshot.fetched_at)}{late}"
    if number == 1 and state.analysis is not None:
        return f"Risk {words.term(state.analysis.risk_level)}"
    if number == 2:
        return words.count(len(changes), "change") + " proposed" if changes else "Nothing to change"
    if number == 3:
        return _approval(state, words)
    if number == 4:
        done = sum(one.state is ItemState.EXECUTED for one in state.written.values())
        return f"{words.count(done, 'change')} written"
    if number == 5:
        same = sum(one.verified is True for one in state.written.values())
        return f"{words.count(same, 'change')} read back as approved"
    return ""


def _is_stale(state: ReviewState) -> bool:
    return state.snapshot is not None and state.snapshot.stale_seconds is not None


def _approval(state: ReviewState, words: Words) -> str:
    pending = state.pending
    if pending:
        return f"{words.waiting(pending[0])}"
    people = [one.by for request in state.requests for one in request.decisions]
    names = list(dict.fromkeys(words.person(one) for one in people))
    return f"Decided by {', '.join(names)}" if names else "Nobody decided"


def _remember(words: Words, ended: datetime | None, found: Remembered | None) -> Stage:
    name = _NAMES[6]
    if found is not None and found.delivered_at is not None:
        told = f"{words.moment(found.delivered_at)}. The memory has the outcome"
        return Stage(name, Progress.DONE, found.delivered_at, told)
    if found is not None:
        tries = f", tried {words.count(found.attempts, 'time')}" if found.attempts else ""
        return Stage(name, Progress.NOW, found.put_at, f"On its way to the memory{tries}")
    if ended is None:
        return Stage(name, Progress.NEXT, None, "")
    return Stage(name, Progress.LEFT_OUT, None, "Nothing is left for the memory")
