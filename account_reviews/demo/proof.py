"""The proof at the end of the demo: three claims, each with what speaks against it. Pure.

The approvals are taken from the workflows' own states, never from our tables; the writes are taken
from the CRM, never from the workflows.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from temporalio.client import WorkflowExecutionStatus

from account_reviews.demo.evidence import CrmImage, Operation, Run, Witness
from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action, ItemState, same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import Item
from account_reviews.domain.review.messages import Verdict
from account_reviews.domain.review.phases import Status
from account_reviews.temporal.names import operation_id

_CLOSED: Final = (
    WorkflowExecutionStatus.COMPLETED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.CANCELED,
)
_YES: Final = (Verdict.APPROVE, Verdict.ADJUST)
_FOLLOW: Final = frozenset({"version", "modified_at", "stage_changed_at"})
"""Columns that change with every write to a record."""


@dataclass(frozen=True)
class Approval:
    """An item that a person approved, and the record its write names (None: not written)."""

    operation_id: str
    item: Item
    record: RecordRef | None

    @property
    def name(self) -> str:
        """The change and its account, for sentences."""
        return f"{self.item.change.title!r} of {self.item.change.account_id}"


@dataclass(frozen=True)
class Facts:
    """Everything the proof looks at."""

    started: frozenset[Run]
    listed: frozenset[str]
    """Ids of all reviews that Temporal lists."""
    reviews: tuple[Witness, ...]
    given: frozenset[str]
    """Operation ids of the items whose approval was reported to people."""
    ledger: tuple[Operation, ...]
    before: CrmImage
    after: CrmImage
    shown: dict[str, dict[str, Scalar] | None]
    """Operation id -> the written fields, read back now."""
    seen: Mapping[str, int] | None = None
    """Operation id -> how often the CRM wrote, by its own count. None: it keeps no count."""

    @cached_property
    def approvals(self) -> dict[str, Approval]:
        """Operation id -> approval, from the states of the workflows."""
        return {one.operation_id: one for review in self.reviews for one in _approvals(review)}

    @cached_property
    def written(self) -> dict[tuple[RecordType, str], list[Approval]]:
        """Record -> the approvals that were written to it."""
        found: dict[tuple[RecordType, str], list[Approval]] = {}
        for approval in self.approvals.values():
            if approval.record is not None and approval.record.id is not None:
                key = approval.record.type, approval.record.id
                found.setdefault(key, []).append(approval)
        return found


@dataclass(frozen=True)
class Claim:
    """A sentence, and what speaks against it."""

    sentence: str
    complaints: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """True when nothing speaks against it."""
        return not self.complaints


@dataclass(frozen=True)
class Count:
    """One kind of write: approved by people, noted in the ledger, shown by the CRM."""

    action: Action
    approved: int
    ledger: int
    shown: int


@dataclass(frozen=True)
class Proof:
    """All claims, and the writes counted by kind."""

    claims: tuple[Claim, ...]
    counts: tuple[Count, ...]

    @property
    def holds(self) -> bool:
        """True when every claim does."""
        return all(claim.holds for claim in self.claims)

    @property
    def complaints(self) -> tuple[str, ...]:
        """Everything that speaks against it."""
        return tuple(complaint for claim in self.claims for complaint in claim.complaints)


def prove(facts: Facts) -> Proof:
    """Judge the facts."""
    return Proof(
        claims=(_all_rest(facts), _approved_stand_once(facts), _nothing_else(facts)),
        counts=tuple(_counts(facts)),
    )


def _all_rest(facts: Facts) -> Claim:
    complaints = [*_lost(facts), *(why for one in facts.reviews for why in _unrest(one))]
    closed = sum(one.status in _CLOSED for one in facts.reviews)
    waiting = sum(
        one.status is WorkflowExecutionStatus.RUNNING and not list(_unrest(one))
        for one in facts.reviews
    )
    return Claim(
        f"every review that started has ended or waits: {closed + waiting} of "
        f"{len(facts.started)} ({closed} ended, {waiting} wait)",
        tuple(complaints),
    )


def _lost(facts: Facts) -> Iterator[str]:
    started = {review_id for review_id, _ in facts.started}
    asked = {(one.review_id, one.run_id) for one in facts.reviews}
    for review_id in sorted(started - facts.listed):
        yield f"Temporal does not list {review_id}, which was started"
    for review_id in sorted(facts.listed - started):
        yield f"Temporal lists {review_id}, which nobody started"
    for review_id, _ in sorted(facts.started - asked):
        yield f"{review_id} was not asked"


def _unrest(review: Witness) -> Iterator[str]:
    """Why a review is neither at its end nor at rest."""
    name, state = review.review_id, review.state
    if review.status is None:
        yield f"Temporal does not know {name}"
    elif state is None:
        yield f"{name} does not answer"
    elif state.run_id != review.run_id:
        yield f"{name} is another review than the one that was started"
    elif review.status in _CLOSED:
        if state.outcome is None:
            yield f"{name} is closed without an outcome"
    elif review.status is not WorkflowExecutionStatus.RUNNING:
        yield f"{name} was {review.status.name.lower().replace('_', ' ')}"
    elif state.status is not Status.WAITING or not state.pending:
        yield f"{name} has neither ended nor waits: it is in phase {state.phase}"
    elif review.open_steps:
        yield f"{name} waits for a person and still has {review.open_steps} steps open"


def _approved_stand_once(facts: Facts) -> Claim:
    complaints = [
        f"an approval that was confirmed is unknown to its review: {lost}"
        for lost in sorted(facts.given - facts.approvals.keys())
    ]
    good = 0
    for approval in facts.approvals.values():
        against = list(_against(facts, approval))
        complaints.extend(against)
        good += not against
    return Claim(
        f"every approved change stands in the CRM exactly once: {good} of {len(facts.approvals)}",
        tuple(complaints),
    )


def _against(facts: Facts, approval: Approval) -> Iterator[str]:
    change, name = approval.item.change, approval.name
    if approval.item.state is not ItemState.EXECUTED or approval.record is None:
        yield f"{name} was approved and is not in the CRM: it is {approval.item.state}"
        return
    rows = [row for row in facts.ledger if row.operation_id == approval.operation_id]
    if len(rows) != 1:
        yield f"{name} stands {len(rows)} times in the CRM's ledger"
    for row in rows:
        if (row.action, row.account_id) != (change.action, change.account_id) or _differ(
            change.exact, row.after
        ):
            yield f"the CRM's ledger has something else for {name} than what was approved"
    shown = facts.shown.get(approval.operation_id)
    if shown is None:
        yield f"{name} was written and the CRM does not show it"
    else:
        for field in _differ(change.exact, shown):
            value = change.after[field]
            yield f"{name}: {field} is {shown.get(field)!r}, approved was {value!r}"
    if facts.seen is not None and (times := facts.seen.get(approval.operation_id, 0)) != 1:
        yield f"{name} was written {times} times, as the CRM itself counts"
    yield from _written_again(facts, approval)


def _differ(approved: dict[str, Scalar], found: dict[str, Scalar]) -> list[str]:
    return [name for name, value in approved.items() if not same(found.get(name), value)]


def _written_again(facts: Facts, approval: Approval) -> Iterator[str]:
    """A record's version grows by one with each write, from 0 before it was there."""
    assert approval.record is not None
    key = approval.record.type, approval.record.id or ""
    now, creates = facts.after.get(key), approval.item.change.action.creates
    if now is None:
        return
    if creates and key in facts.before:
        yield f"{approval.name} should be new, and its record was there before"
        return
    first = facts.before[key]["version"] if key in facts.before else 0
    wanted = first + len(facts.written[key])
    if now["version"] != wanted:
        yield (
            f"{approval.name}: the record is at version {now['version']},"
            f" one write for each approval makes {wanted}"
        )


def _nothing_else(facts: Facts) -> Claim:
    complaints = [
        f"the CRM's ledger holds {row.action} of {row.account_id}, which nobody approved"
        for row in facts.ledger
        if row.operation_id not in facts.approvals
    ]
    complaints += [
        f"the CRM wrote under {operation}, which nobody approved"
        for operation in sorted((facts.seen or {}).keys() - facts.approvals.keys())
    ]
    for key in sorted(facts.before.keys() | facts.after.keys()):
        complaints.extend(_unexplained(facts, key))
    return Claim(
        f"nothing was written without an approval: {len(facts.ledger)} writes,"
        f" {len(facts.after)} records compared with before",
        tuple(complaints),
    )


def _unexplained(facts: Facts, key: tuple[RecordType, str]) -> Iterator[str]:
    before, after, approvals = facts.before.get(key), facts.after.get(key), facts.written.get(key)
    name = f"{key[0]} {key[1]}"
    if after is None:
        yield f"{name} is gone from the CRM"
    elif before is None:
        if approvals is None:
            yield f"{name} is new in the CRM, and nobody approved it"
    else:
        changed = {column for column in after if after[column] != before.get(column)}
        for approval in approvals or ():
            changed -= approval.item.change.after.keys() | _FOLLOW
        for column in sorted(changed):
            yield f"{column} of {name} changed in the CRM, and nobody approved it"


def _approvals(review: Witness) -> Iterator[Approval]:
    """The items of a review that a recorded decision approved."""
    if review.state is None:
        return
    for request in review.state.requests:
        yes = {
            item_id
            for decision in request.decisions
            if decision.decision in _YES
            for item_id in decision.item_ids
        }
        for item in request.items:
            if item.item_id in yes:
                write = review.state.written.get(item.item_id)
                yield Approval(
                    operation_id(review.run_id, item.item_id), item, write.record if write else None
                )


def _counts(facts: Facts) -> Iterator[Count]:
    approved = Counter(one.item.change.action for one in facts.approvals.values())
    ledger = Counter(row.action for row in facts.ledger)
    shown = Counter(
        one.item.change.action
        for one in facts.approvals.values()
        if facts.shown.get(one.operation_id) is not None
    )
    for action in Action:
        if approved[action] or ledger[action]:
            yield Count(action, approved[action], ledger[action], shown[action])
