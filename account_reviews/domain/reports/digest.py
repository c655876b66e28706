"""The morning's digest of one owner: where to look first, what changed, what waits, what was done.

Equal facts give an equal digest, however often it is made.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from account_reviews.domain.analysis.model import (
    Analysis,
    DetectedChange,
    Evidence,
    PreviousRisk,
    RiskLevel,
    Severity,
    is_news,
)
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.canonical import content_hash
from account_reviews.domain.counting import counted
from account_reviews.domain.cycle.state import start_rank
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import RecordRef
from account_reviews.domain.reports.brief import build_brief
from account_reviews.domain.reports.owner_brief import UpdateChange, update_change
from account_reviews.domain.review.approvals import ApprovalRequest, Item
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState, WrittenChange

SHOWN: Final = 3
"""Accounts to look at first, reasons of each, and facts cited for a reason."""

OVERLAP: Final = timedelta(hours=1)
"""Reviews that closed this long before the last digest may not have been stored then."""

_GRAVITY: Final = tuple(Severity)
"""Gravest first."""


class Why(Model):
    """One reason to look at an account, with the facts behind it."""

    text: str
    evidence: tuple[Evidence, ...]


class LookFirst(Model):
    """An account that deserves the first look. `risk` is 0 to 100, None unknown."""

    account_id: str
    account_name: str
    review_id: str
    risk_level: RiskLevel
    risk: int | None
    previous_risk: PreviousRisk | None
    priority_score: int
    why: tuple[Why, ...]


class ChangedAccount(Model):
    account_id: str
    account_name: str
    changes: tuple[UpdateChange, ...]


class WaitingRequest(Model):
    """What the owner is asked to decide, and until when."""

    request_id: str
    review_id: str
    account_id: str
    account_name: str
    deadline: Timestamp
    overdue: bool
    items: tuple[str, ...]
    """Titles of what is undecided."""


class DecidedChange(Model):
    """What became of one proposed change."""

    change_id: str
    title: str
    record: RecordRef
    state: ItemState
    by: str | None
    reason: str | None
    verified: bool | None
    """True when reading back showed what was approved; None when nothing was written."""


class ClosedReview(Model):
    run_id: str
    review_id: str
    account_id: str
    account_name: str
    outcome: Outcome
    closed_at: Timestamp
    changes: tuple[DecidedChange, ...]


class UnreadableAccount(Model):
    """Something stored of this account cannot be read, so that the digest may lack it."""

    account_id: str
    account_name: str


class Digest(Model):
    """One owner, one morning. Times in UTC."""

    owner_id: str
    owner_name: str | None
    day: date
    since: Timestamp
    """The digest before, else the begin of the day before."""
    nothing_new: bool
    summary: str
    first_accounts: tuple[LookFirst, ...]
    changed: tuple[ChangedAccount, ...]
    waiting: tuple[WaitingRequest, ...]
    decided: tuple[ClosedReview, ...]
    seen: tuple[str, ...]
    """Marks of all changes that stand, shown today or earlier: the next digest leaves them out."""
    unreadable: tuple[UnreadableAccount, ...] = ()


class OwnerReview(Model):
    """The newest review of one account."""

    review_id: str
    account_id: str
    account_name: str
    analysed_at: Timestamp
    analysis: Analysis


class OpenRequest(Model):
    account_name: str
    request: ApprovalRequest


class LastDigest(Model):
    made_at: Timestamp
    digest: Digest


class DigestFacts(Model):
    """What a digest is made of."""

    owner_id: str
    owner_name: str | None
    day: date
    moment: Timestamp
    """What is overdue by then is overdue."""
    last: LastDigest | None
    reviews: tuple[OwnerReview, ...]
    requests: tuple[OpenRequest, ...]
    closed: tuple[ReviewState, ...]
    unreadable: tuple[UnreadableAccount, ...] = ()


def since_of(day: date, last: LastDigest | None) -> Timestamp:
    """From when on things are new."""
    if last is not None:
        return last.made_at
    return datetime.combine(day, time.min, UTC) - timedelta(days=1)


def moment_of(day: date, now: Timestamp) -> Timestamp:
    """The moment a digest shows: now, or the end of a day that is over."""
    return min(now, datetime.combine(day, time.min, UTC) + timedelta(days=1))


def build_digest(facts: DigestFacts, policy: Policy) -> Digest:
    """The digest of these facts."""
    changed = tuple(_changed_accounts(facts))
    waiting = tuple(_waiting(facts))
    decided = tuple(_decided(facts))
    unreadable = tuple(sorted(facts.unreadable, key=lambda one: one.account_id))
    nothing = not (changed or waiting or decided or unreadable)
    return Digest(
        owner_id=facts.owner_id,
        owner_name=facts.owner_name,
        day=facts.day,
        since=since_of(facts.day, facts.last),
        nothing_new=nothing,
        summary=_nothing_new(facts) if nothing else _summary(changed, waiting, decided, unreadable),
        first_accounts=() if nothing else _first(facts, changed, waiting, policy),
        changed=changed,
        waiting=waiting,
        decided=decided,
        seen=_marks(facts.reviews),
        unreadable=unreadable,
    )


def _changed_accounts(facts: DigestFacts) -> Iterator[ChangedAccount]:
    known = frozenset(facts.last.digest.seen) if facts.last else frozenset()
    since = since_of(facts.day, facts.last)
    for review in sorted(facts.reviews, key=lambda one: one.account_id):
        if facts.last is None and review.analysed_at <= since:
            continue
        fresh = [
            one
            for one in review.analysis.changes
            if is_news(one.type) and _mark(review, one) not in known
        ]
        if fresh:
            yield ChangedAccount(
                account_id=review.account_id,
                account_name=review.account_name,
                changes=tuple(update_change(change) for change in fresh),
            )


def _marks(reviews: Iterable[OwnerReview]) -> tuple[str, ...]:
    found = {_mark(review, one) for review in reviews for one in review.analysis.changes}
    return tuple(sorted(found))


def _mark(review: OwnerReview, change: DetectedChange) -> str:
    record = change.record
    what = (record.type, record.id, change.field, change.before, change.after)
    return content_hash([review.account_id, change.type, *what])[:16]


def _waiting(facts: DigestFacts) -> Iterator[WaitingRequest]:
    """Overdue first: the soonest deadline leads."""
    by_deadline = sorted(facts.requests, key=lambda one: _deadline(one.request))
    for one in by_deadline:
        request = one.request
        yield WaitingRequest(
            request_id=request.request_id,
            review_id=request.review_id,
            account_id=request.account_id,
            account_name=one.account_name,
            deadline=request.deadline,
            overdue=request.deadline <= facts.moment,
            items=tuple(item.change.title for item in request.items if item.is_open),
        )


def _deadline(request: ApprovalRequest) -> tuple[Timestamp, str]:
    return (request.deadline, request.request_id)


def _decided(facts: DigestFacts) -> Iterator[ClosedReview]:
    known = {one.run_id for one in facts.last.digest.decided} if facts.last else set()
    for state in sorted(facts.closed, key=lambda one: (one.account_id, one.run_id)):
        items = {item.item_id: item for request in state.requests for item in request.items}
        if state.run_id in known or not items or state.outcome is None or state.closed_at is None:
            continue
        yield ClosedReview(
            run_id=state.run_id,
            review_id=state.review_id,
            account_id=state.account_id,
            account_name=state.snapshot.account_name if state.snapshot else state.account_id,
            outcome=state.outcome,
            closed_at=state.closed_at,
            changes=tuple(_fate(item, state.written.get(key)) for key, item in items.items()),
        )


def _fate(item: Item, written: WrittenChange | None) -> DecidedChange:
    return DecidedChange(
        change_id=item.item_id,
        title=item.change.title,
        record=written.record if written else item.change.record,
        state=written.state if written else item.state,
        by=item.decided_by,
        reason=(written.reason if written else None) or item.reason,
        verified=written.verified if written else None,
    )


def _first(
    facts: DigestFacts,
    changed: tuple[ChangedAccount, ...],
    waiting: tuple[WaitingRequest, ...],
    policy: Policy,
) -> tuple[LookFirst, ...]:
    moving = {one.account_id for one in changed} | {one.account_id for one in waiting}
    worth = [one for one in facts.reviews if one.analysis.needs_review or one.account_id in moving]
    worth.sort(key=_rank)
    return tuple(_look(review, policy) for review in worth[:SHOWN])


def _rank(review: OwnerReview) -> tuple[int, int, int, str]:
    analysis = review.analysis
    risk = analysis.risk
    return (
        -analysis.priority_score,
        start_rank(risk.level),
        -(risk.score or 0),
        review.account_id,
    )


def _look(review: OwnerReview, policy: Policy) -> LookFirst:
    analysis = review.analysis
    return LookFirst(
        account_id=review.account_id,
        account_name=review.account_name,
        review_id=review.review_id,
        risk_level=analysis.risk.level,
        risk=analysis.risk.score,
        previous_risk=analysis.risk.previous,
        priority_score=analysis.priority_score,
        why=_why(analysis, policy),
    )


def _why(analysis: Analysis, policy: Policy) -> tuple[Why, ...]:
    """What needs attention, gravest first, then what makes the risk."""
    grave = sorted(
        (one for one in analysis.findings if one.requires_attention),
        key=lambda one: _GRAVITY.index(one.severity),
    )
    reasons = sorted(build_brief(analysis, policy).risk_reasons, key=lambda one: -one.points)
    found = [
        *(Why(text=one.title, evidence=one.evidence[:SHOWN]) for one in grave),
        *(Why(text=one.text, evidence=one.evidence[:SHOWN]) for one in reasons),
    ]
    by_evidence: dict[tuple[tuple[str | None, str], ...], Why] = {}
    for one in found:  # the finding and the points of one fact are one reason
        by_evidence.setdefault(tuple((item.record.id, item.field) for item in one.evidence), one)
    return tuple(by_evidence.values())[:SHOWN]


def _nothing_new(facts: DigestFacts) -> str:
    return f"Nothing new for {facts.owner_name or facts.owner_id} on {facts.day.isoformat()}."


def _summary(
    changed: tuple[ChangedAccount, ...],
    waiting: tuple[WaitingRequest, ...],
    decided: tuple[ClosedReview, ...],
    unreadable: tuple[UnreadableAccount, ...],
) -> str:
    late = sum(one.overdue for one in waiting)
    overdue = f", {late} of them overdue" if late else ""
    parts = [
        f"{counted(len(changed), 'account')} changed",
        f"{counted(len(waiting), 'request')} to decide{overdue}",
        f"{counted(len(decided), 'review')} closed",
    ]
    if unreadable:
        parts.append(f"{counted(len(unreadable), 'account')} not wholly readable")
    return "; ".join(parts) + "."
