"""What the steps of a review are asked and what they answer."""

from typing import Literal

from pydantic import Field

from account_reviews.domain.analysis.model import Finding
from account_reviews.domain.base import Model, Scalar, Timestamp
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import RecordRef, SnapshotRef
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.commands import WantedChange
from account_reviews.domain.review.state import (
    AnalysisResult,
    ReviewState,
    Turn,
    UndoOf,
    Usage,
    WrittenChange,
)
from account_reviews.domain.review.terms import Terms


class ApplyResult(Model):
    """What became of one write.

    `applied`: this call wrote it; `already_applied`: an earlier attempt of this operation id
    did; `conflict`: the record is not at the approved version, nothing was written and
    `current` shows its fields now.
    """

    status: Literal["applied", "already_applied", "conflict"]
    record: RecordRef
    """With the version after the write (or, for a conflict, the version now)."""
    before: dict[str, Scalar] = Field(default_factory=dict)
    current: dict[str, Scalar] = Field(default_factory=dict)
    """The change's fields as they stand in the CRM now."""
    applied_at: Timestamp | None = None
    version_check: Literal["atomic", "compared"] | None = None
    """How the record was held to the version that was shown: by the CRM in the write itself, or
    by reading it just before, so that somebody may have come in between. None: it was not, as of
    a create, or nobody says."""
    usage: Usage | None = None


class ReadSnapshot(SnapshotRef):
    """A snapshot as a step gives it."""

    usage: Usage | None = None

    def reference(self) -> SnapshotRef:
        """As everybody else refers to it."""
        return SnapshotRef(**{name: getattr(self, name) for name in SnapshotRef.model_fields})


class FetchSnapshot(Model):
    account_id: str
    tenant: str
    as_of: Timestamp
    opening: ReviewState
    now: Timestamp | None = None
    """Set when nobody gave a clock: the account is read as a start without one would read it (by
    the last import's clock, else now), but no earlier than `as_of`."""
    one_burst: bool = False
    """A CRM that did not answer one burst of tries is given up, see `domain.bursts`."""


class TakeSnapshot(Model):
    """May a review use the snapshot it was handed, at `now` and with the clock `as_of`?"""

    given: SnapshotRef
    as_of: Timestamp
    now: Timestamp
    opening: ReviewState


class TakenSnapshot(Model):
    """The snapshot as it is stored, or why it is not used."""

    snapshot: SnapshotRef | None = None
    refusal: str | None = None
    unknown: bool = False
    """There is no such snapshot of this account: whoever sent the reference was wrong."""
    usage: Usage | None = None


class LatestSnapshot(Model):
    account_id: str
    tenant: str
    now: Timestamp


class RecallMemory(Model):
    account_id: str
    as_of: Timestamp
    tenant: str | None = None
    """None: as releases asked that served all tenants alike."""


class AnalyseAccount(Model):
    """The references the rules work on; `memory_hash` None means the memory was unavailable."""

    account_id: str
    tenant: str
    snapshot_hash: str
    memory_hash: str | None
    as_of: Timestamp
    stale_seconds: int | None = None


class ApplyChange(Model):
    """One approved write. The gate before it checks `approved_hash` against the content."""

    operation_id: str
    change: ProposedChange
    expected_version: str | None
    """The version shown to the approver, moved on by this review's own writes."""
    approved_hash: str
    approved_by: str
    tenant: str = "default"
    """Whose writes it belongs to: those of a tenant can be stopped."""
    asked_at: Timestamp | None = None
    """When the review asked for it: a due date is counted from the write, which is no earlier."""
    approval: ApprovalRequest | None = None
    """The request with this item alone, from logic 3 on: the votes are counted once more."""
    plan_only: bool = False
    """The review shows what it would write, and nothing of it is ever written."""


class FindWrites(Model):
    """Asks whether these operations were carried out, where nobody heard of it."""

    operation_ids: tuple[str, ...]
    tenant: str = "default"


class FoundWrites(Model):
    """operation id -> its result, for those that were carried out."""

    results: dict[str, ApplyResult] = Field(default_factory=dict)
    usage: Usage | None = None


class ReadBack(Model):
    writes: tuple[WrittenChange, ...]
    tenant: str | None = None
    """None: as releases asked that served all tenants alike."""


class ReadBackResult(Model):
    """change id -> True when the CRM shows what was approved."""

    verified: dict[str, bool]
    usage: Usage | None = None


ANSWER_CHARACTERS = 4_000
"""Of an answer at most; a longer one ends with how much more there is."""


class AnswerQuestion(Model):
    """One question to a review, with the references of what is known."""

    account_id: str
    tenant: str
    question: str
    as_of: Timestamp
    run_id: str | None = None
    """Of the review: its own decisions are told too."""
    conversation: tuple[Turn, ...] = ()
    """The turns before, oldest first; the last few are enough."""
    snapshot_hash: str | None = None
    analysis_hash: str | None = None
    memory_hash: str | None = None
    """None where that could not be had: the answer says so."""
    findings: tuple[Finding, ...] = ()
    """What turns before have added."""


class TurnAnswer(Model):
    """What is known, each sentence with its source; or that nothing is, and what can be asked."""

    answer: str = Field(max_length=ANSWER_CHARACTERS)
    findings: tuple[Finding, ...] = ()
    """Neither the analysis nor a turn before had these."""
    memory_hash: str | None = None
    """Of the memories with those found for this question; None when no more were found."""
    memory_items: int = 0
    """How many that document holds."""
    usage: Usage = Field(default_factory=Usage)


class PrepareChanges(Model):
    """What somebody proposes, to be made exact."""

    account_id: str
    tenant: str
    by: str
    reason: str | None = None
    changes: tuple[WantedChange, ...]
    known: tuple[ProposedChange, ...] = ()
    """Those of the analysis: they can be named by their ids."""
    as_of: Timestamp


class PreparedChanges(Model):
    """The exact writes, or why one of them cannot be proposed."""

    changes: tuple[ProposedChange, ...] = ()
    terms: Terms | None = None
    """Of the request that is opened for them."""
    refusal: str | None = None
    usage: Usage | None = None


class PrepareUndo(Model):
    """Asks for the write that takes another one back. `opening` shows the review in the tables."""

    undo: UndoOf
    account_id: str
    tenant: str
    by: str
    """Who wants it: the author of what is proposed."""
    opening: ReviewState


class PreparedUndo(Model):
    """The account as it is now and what an analysis would give; else why it cannot be undone."""

    snapshot: SnapshotRef | None = None
    analysis: AnalysisResult | None = None
    refusal: str | None = None
    usage: Usage | None = None
