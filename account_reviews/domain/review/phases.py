"""The phases of a review and where each may go. Anything else is refused."""

from enum import StrEnum

from account_reviews.domain.base import Model, Timestamp


class Phase(StrEnum):
    INITIALIZING = "initializing"
    INVESTIGATING = "investigating"
    PLANNING = "planning"
    APPROVAL = "approval"
    EXECUTING = "executing"
    VALIDATING = "validating"
    COMPLETED = "completed"
    FAILED = "failed"
    ABANDONED = "abandoned"

    @property
    def is_final(self) -> bool:
        return not ALLOWED[self]

    @property
    def is_resumable(self) -> bool:
        """A person or another run can take the review up again here."""
        return self in (Phase.APPROVAL, Phase.INVESTIGATING, Phase.PLANNING)


class Status(StrEnum):
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    FAILED = "failed"


class Outcome(StrEnum):
    """How a review ended: a closed union."""

    COMPLETED = "completed"
    NOTHING_TO_DO = "nothing_to_do"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    ABANDONED = "abandoned"
    FAILED = "failed"


_ENDS = {Phase.FAILED, Phase.ABANDONED}

ALLOWED: dict[Phase, frozenset[Phase]] = {
    Phase.INITIALIZING: frozenset({Phase.INVESTIGATING} | _ENDS),
    Phase.INVESTIGATING: frozenset({Phase.PLANNING, Phase.COMPLETED} | _ENDS),
    Phase.PLANNING: frozenset({Phase.INVESTIGATING, Phase.APPROVAL, Phase.COMPLETED} | _ENDS),
    Phase.APPROVAL: frozenset(
        {Phase.INVESTIGATING, Phase.PLANNING, Phase.EXECUTING, Phase.COMPLETED} | _ENDS
    ),
    Phase.EXECUTING: frozenset({Phase.APPROVAL, Phase.VALIDATING} | _ENDS),
    Phase.VALIDATING: frozenset({Phase.APPROVAL, Phase.COMPLETED} | _ENDS),
    Phase.COMPLETED: frozenset(),
    Phase.FAILED: frozenset(),
    Phase.ABANDONED: frozenset(),
}

FINAL: dict[Outcome, tuple[Phase, Status]] = {
    Outcome.COMPLETED: (Phase.COMPLETED, Status.COMPLETED),
    Outcome.NOTHING_TO_DO: (Phase.COMPLETED, Status.COMPLETED),
    Outcome.REJECTED: (Phase.COMPLETED, Status.COMPLETED),
    Outcome.DEFERRED: (Phase.COMPLETED, Status.COMPLETED),
    Outcome.EXPIRED: (Phase.ABANDONED, Status.EXPIRED),
    Outcome.CANCELLED: (Phase.ABANDONED, Status.CANCELLED),
    Outcome.ABANDONED: (Phase.ABANDONED, Status.ABANDONED),
    Outcome.FAILED: (Phase.FAILED, Status.FAILED),
}


class PhaseChange(Model):
    from_phase: Phase
    to_phase: Phase
    at: Timestamp


class IllegalPhaseError(ValueError):
    """That step between phases is not allowed."""


def check_move(current: Phase, target: Phase) -> None:
    """Raise IllegalPhaseError unless `current` may go to `target`."""
    if target not in ALLOWED[current]:
        raise IllegalPhaseError(f"a review cannot go from {current} to {target}")
