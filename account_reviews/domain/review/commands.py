"""What a person or an agent says to a review beside decisions: one JSON object each.

Read by `messages.parse`, applied by the pure functions of `control` and `conversation`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field, JsonValue

from account_reviews.domain.analysis.model import Evidence, Finding
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.phases import Phase, Status


class Said(Model):
    """What somebody says. `by` is a name, as it is given."""

    by: str = Field(default="unknown", max_length=200)


class Command(Said):
    """`pause`, `resume`."""

    reason: str | None = Field(default=None, max_length=5000)


class Touch(Said):
    """Somebody is here: an idle review is not abandoned yet."""

    reason: str | None = Field(default=None, max_length=5000)


class Close(Said):
    """End the review. An exit code of 0 is `completed`, any other `failed`."""

    outcome: Literal["completed", "failed", "abandoned"] | None = None
    exit_code: int | None = Field(default=None, ge=-255, le=255)
    summary: str | None = Field(default=None, max_length=5000)
    reason: str | None = Field(default=None, max_length=5000)


class Annotate(Said):
    """Merge into context and metadata: what is a set is united, lists extend, scalars replace, keys
    that the context does not know go to the metadata. `error` counts one error more.

    A stale `expected_version` is a conflict, and nothing is merged.
    """

    metadata: dict[str, Scalar] = Field(default_factory=dict)
    context: dict[str, JsonValue] = Field(default_factory=dict)
    plan: tuple[JsonValue, ...] | None = None
    step: str | None = Field(default=None, max_length=200)
    error: str | None = Field(default=None, max_length=5000)
    expected_version: int | None = Field(default=None, ge=0)
    reason: str | None = Field(default=None, max_length=5000)


class Ask(Said):
    """One turn of the conversation."""

    question: str = Field(min_length=1, max_length=5000)
    reason: str | None = Field(default=None, max_length=5000)


class WantedRecord(Model):
    type: RecordType
    id: str | None = Field(default=None, max_length=200)


class WantedChange(Model):
    """A write that somebody wants: one of the analysis by its id, else exactly what to write."""

    change_id: str | None = Field(default=None, max_length=200)
    action: Action | None = None
    record: WantedRecord | None = None
    after: dict[str, Scalar] = Field(default_factory=dict)
    title: str | None = Field(default=None, max_length=150)
    rationale: str | None = Field(default=None, max_length=5000)
    confidence: float | None = Field(default=None, ge=0, le=1)


class Propose(Said):
    """Changes that a person or an outside agent wants: the same gate, the same rules."""

    changes: tuple[WantedChange, ...] = Field(min_length=1, max_length=50)
    reason: str | None = Field(default=None, max_length=5000)


class Delegate(Said):
    """Somebody else may decide for `by` on one request, in his own name."""

    request_id: str = Field(min_length=1, max_length=200)
    to: str = Field(min_length=1, max_length=200)
    reason: str | None = Field(default=None, max_length=5000)


class StepFailing(Model):
    """An attempt of an activity failed for the third time or more: said by its interceptor."""

    activity_id: str = Field(min_length=1, max_length=200)
    type: str = Field(max_length=200)
    attempt: int = Field(ge=1)
    error: str = Field(default="", max_length=5000)


class StepRecovered(Model):
    activity_id: str = Field(min_length=1, max_length=200)


class CommandRefusal(StrEnum):
    """Why a command is refused; the sentence names the current phase."""

    REVIEW_CLOSED = "review_closed"
    WRONG_PHASE = "wrong_phase"
    NOT_PAUSED = "not_paused"
    ALREADY_PAUSED = "already_paused"
    STALE_VERSION = "stale_version"
    BUSY = "busy"
    BAD_CHANGE = "bad_change"
    NOT_ALLOWED = "not_allowed"
    TOO_LARGE = "too_large"


class CommandAnswer(Model):
    """How the review stands once a command is applied."""

    review_id: str
    run_id: str
    phase: Phase
    status: Status
    version: int
    message: str | None = None
    """A sentence where there is more to say, as of a review that was closed already."""


class AnsweredTurn(Model):
    """A turn of the conversation with its answer and what that rests on."""

    number: int
    question: str
    answer: str
    evidence: tuple[Evidence, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Those that the turn added."""
    answered_at: Timestamp | None = None


class AskAnswer(CommandAnswer):
    """The answer of `ask`."""

    turn: AnsweredTurn


class ProposedItem(Model):
    """A change that somebody proposed, as it stands in its request."""

    item_id: str
    title: str
    state: ItemState
    message: str | None = None


class ProposalAnswer(CommandAnswer):
    """The answer of `propose`: the request that people decide on. None for a plan only."""

    request_id: str | None = None
    items: tuple[ProposedItem, ...] = ()


class CommandRefused(Model):
    """A command that changes nothing; it is a line of the timeline."""

    code: CommandRefusal
    message: str
