"""What a rule sees, and what it answers."""

from dataclasses import dataclass
from datetime import timedelta

from account_reviews.domain.analysis.confidence import Pattern
from account_reviews.domain.analysis.evidence import ref, scalar
from account_reviews.domain.analysis.facts import Facts
from account_reviews.domain.analysis.model import (
    DetectedChange,
    Evidence,
    Health,
    NextStep,
    Risk,
    Severity,
)
from account_reviews.domain.analysis.own_writes import OwnWrite
from account_reviews.domain.analysis.risk_signals import RiskSignals
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.characters import written_on_one_line
from account_reviews.domain.fields import check_fields
from account_reviews.domain.ids import LONGEST_OWNER_ID
from account_reviews.domain.memory import MemoryHit, MemoryKind
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import Account, Record, RecordRef, RecordType
from account_reviews.domain.words import beginning

LINE = 150
TEXT = 5000
CITED_MEMORIES = 2


@dataclass(frozen=True)
class Context:
    """Everything the rules know of one account at one moment."""

    facts: Facts
    changes: tuple[DetectedChange, ...]
    risk_signals: RiskSignals
    risk: Risk
    health: Health
    engagement: float | None
    memory: tuple[MemoryHit, ...]
    previous_owners: frozenset[str]
    own_writes: tuple[OwnWrite, ...] = ()

    @property
    def account(self) -> Account:
        return self.facts.account

    @property
    def policy(self) -> Policy:
        return self.facts.policy

    @property
    def as_of(self) -> Timestamp:
        return self.facts.as_of

    @property
    def owner_name(self) -> str | None:
        owner = self.facts.snapshot.owner
        return owner.name if owner is not None else self.account.owner_id

    @property
    def assignee(self) -> str | None:
        """Who gets the tasks: the owner, or the successor of an owner who is no longer active."""
        owner = self.facts.snapshot.owner
        if owner is not None and not owner.active:
            return self.successor
        return _nameable(self.account.owner_id)

    @property
    def successor(self) -> str | None:
        """Who looks after the account when its owner is no longer active: the nearest manager who
        is. None for an active owner, and where every manager has left too."""
        owner, manager = self.facts.snapshot.owner, self.facts.snapshot.manager
        if owner is None or owner.active or owner.manager_id == owner.id:
            return None
        if manager is None:
            return _nameable(owner.manager_id)
        return _nameable(manager.id) if manager.active and manager.id != owner.id else None

    def of_type(self, kind: str) -> tuple[DetectedChange, ...]:
        """The changes of that type."""
        return tuple(change for change in self.changes if change.type == kind)

    def remembered(self, *kinds: MemoryKind) -> tuple[MemoryHit, ...]:
        """The newest memories of these kinds."""
        known = [hit for hit in self.memory if hit.kind in kinds and hit.occurred_at <= self.as_of]
        known.sort(key=lambda hit: (hit.occurred_at, hit.id), reverse=True)
        return tuple(known[:CITED_MEMORIES])


@dataclass(frozen=True)
class Write:
    """One exact CRM write. A write that is not `live` follows from a past event; it is proposed
    only when an earlier review put it off."""

    action: Action
    record: RecordRef
    before: dict[str, Scalar]
    after: dict[str, Scalar]
    title: str
    rationale: str
    evidence: tuple[Evidence, ...]
    live: bool = True
    due_in: timedelta | None = None
    """Of a task: from its writing to its due date."""


@dataclass(frozen=True)
class Draft:
    """A recommendation before it is weighed. Its id is `<account>-<code>-<number>`.

    Texts may hold numbers of today; the fields of its writes may not, since they name the change.
    """

    number: int
    type: str
    title: str
    rationale: str
    priority: Severity
    evidence: tuple[Evidence, ...]
    steps: tuple[NextStep, ...]
    minutes: int
    writes: tuple[Write, ...]
    memory: tuple[MemoryHit, ...] = ()
    pattern: Pattern | None = None


def task(
    context: Context,
    subject: str,
    description: str,
    priority: Severity,
    *,
    why: str,
    evidence: tuple[Evidence, ...],
    live: bool = True,
) -> Write:
    """A task for the account's owner, due by its priority, counted from when it is written."""
    due_in: timedelta = getattr(context.policy.recommendations.task_due, priority.value)
    values: dict[str, Scalar] = {
        "subject": line(f"{subject}: {context.account.name}"),
        "description": description[:TEXT],
        "due_at": (context.as_of + due_in).isoformat(),
        "priority": priority.value,
    }
    if context.assignee:
        values["owner_id"] = context.assignee
    after = check_fields(Action.CREATE_TASK, values)
    record = RecordRef(type=RecordType.TASK, name=str(after["subject"]))
    title = line(f"Create task: {subject}")
    return Write(
        Action.CREATE_TASK, record, {}, after, title, why, evidence, live=live, due_in=due_in
    )


def note(title: str, content: str, *, why: str, evidence: tuple[Evidence, ...]) -> Write:
    """A note on the account."""
    after = check_fields(Action.ADD_NOTE, {"title": line(title), "content": content[:TEXT]})
    record = RecordRef(type=RecordType.NOTE, name=title)
    return Write(Action.ADD_NOTE, record, {}, after, f"Add note: {title}", why, evidence)


def update(
    action: Action,
    record: Record,
    values: dict[str, Scalar],
    *,
    title: str,
    why: str,
    evidence: tuple[Evidence, ...],
) -> Write:
    """New values for fields of a record; `before` is what these fields hold now."""
    before = {field: scalar(getattr(record, field)) for field in values}
    after = check_fields(action, values)
    return Write(action, ref(record), before, after, line(title), why, evidence)


def steps(context: Context, *planned: tuple[str, str]) -> tuple[NextStep, ...]:
    """Next steps of the owner, each with its time."""
    return tuple(
        NextStep(description=what, timeline=when, owner=context.owner_name)
        for what, when in planned
    )


def line(text: str) -> str:
    """One line of at most 150 characters."""
    return beginning(clean(text), LINE)


def clean(text: str) -> str:
    """On one line, without what acts on the text around it."""
    return written_on_one_line(text)


def _nameable(owner_id: str | None) -> str | None:
    """An id that a write can name."""
    return owner_id if owner_id and len(owner_id) <= LONGEST_OWNER_ID else None
