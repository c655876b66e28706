"""The past of one account in sentences, newest first: reviews, what changed in the CRM, what was
decided and written, how it ended. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Final

from account_reviews.domain.analysis.model import is_news
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review.approvals import ApprovalRequest, RecordedDecision
from account_reviews.domain.review.items import Item
from account_reviews.domain.review.state import WrittenChange
from account_reviews.presentation.words import Words
from account_reviews.store.timeline_queries import AskedRequest, PastReview

_POLICY: Final = "policy"
"""Who decides on what needs nobody."""
_VERBS: Final = {
    "approve": "approved", "adjust": "edited and approved", "reject": "rejected",
    "defer": "put off",
}  # fmt: skip
_WRITTEN: Final = {
    ItemState.EXECUTED: ("Written to the CRM", "were written to the CRM"),
    ItemState.UNDONE: (
        "Written to the CRM, and taken back since",
        "were written to the CRM, and taken back since",
    ),
    ItemState.FAILED: ("Refused by the CRM", "were refused by the CRM"),
    ItemState.SUPERSEDED: ("Overtaken by newer facts", "were overtaken by newer facts"),
}
"""What is said of one, and of several."""
_NOT_WRITTEN: Final = ("Not written", "were not written")


@dataclass(frozen=True, kw_only=True)
class Event:
    """A sentence with its time; `parts` are several things that it sums up.

    It is told on the page of its review, on the `brief` of that, or on that of `request`.
    """

    at: datetime
    text: str
    review: PastReview
    parts: tuple[str, ...] = ()
    reason: str | None = None
    request: str | None = None
    brief: bool = False
    begins: bool = False
    """The review begins here: its scores stand beside it."""


def timeline(reviews: Iterable[PastReview], words: Words) -> list[tuple[str, list[Event]]]:
    """Days with what was on them, newest first. Of one moment the later step comes first."""
    told = [one for review in reviews for one in reversed(list(_of_review(review, words)))]
    told.sort(key=lambda one: one.at, reverse=True)
    return [(day, list(events)) for day, events in groupby(told, lambda one: words.day(one.at))]


def _of_review(review: PastReview, words: Words) -> Iterator[Event]:
    """In the order of a review's steps."""
    begun = review.started_at
    yield Event(at=begun, text=_began(review, words), review=review, begins=True)
    changes = [words.told(one) for one in review.changes if is_news(one.type)]
    if changes:
        text, parts = _summed("Changed in the CRM", "were noticed in the CRM", changes, words)
        yield Event(at=begun, text=text, parts=parts, review=review, brief=True)
    for asked in review.requests:
        yield from _of_request(asked, review, words)
    yield from _written(review, words)
    if review.closed_at is not None:
        how = words.outcome(review) or words.term(review.status)
        yield Event(at=review.closed_at, text=f"The review ended: {how}", review=review)


def _began(review: PastReview, words: Words) -> str:
    match review.kind:
        case "scheduled":
            said = "A review began by its schedule"
        case "event":
            said = "A change in the CRM began a review"
        case "undo":
            said = f"{_who(review.started_by, words)} asked to take a write back"
        case _:
            said = f"{_who(review.started_by, words)} started a review"
    return f"{said}, to plan only" if review.plan_only else said


def _of_request(asked: AskedRequest, review: PastReview, words: Words) -> Iterator[Event]:
    request = asked.request
    name = asked.short_id or request.request_id
    yield Event(
        at=request.requested_at, text=_proposed(request, words), review=review, request=name
    )
    for at, text, items, reason in _decisions(request, words):
        changes = [words.change(item.change) for item in items]
        said, parts = _acted(text, changes, words)
        yield Event(at=at, text=said, parts=parts, reason=reason, review=review, request=name)


def _proposed(request: ApprovalRequest, words: Words) -> str:
    if request.is_pending:
        return words.waiting(request)
    count = len(request.items)
    whom = " and ".join(words.person(one) for one in request.approvers)
    were = f"{words.count(count, 'change')} {'was' if count == 1 else 'were'} proposed"
    return f"{were} to {whom}" if whom else were


_Decision = tuple[datetime, str, Sequence[Item], str | None]


def _decisions(request: ApprovalRequest, words: Words) -> Iterator[_Decision]:
    """When, who did what, on which items, and why."""
    by_policy = [one for one in request.items if one.decided_by == _POLICY]
    if by_policy:
        yield request.requested_at, "The policy approved", by_policy, None
    for said in request.decisions:
        about = [one for one in request.items if not said.item_ids or one.item_id in said.item_ids]
        yield said.at, _decided(said, words), about, said.reason
    late = [one for one in request.items if one.state is ItemState.EXPIRED]
    if late:
        yield request.closed_at or request.deadline, "Nobody decided in time on", late, None


def _decided(said: RecordedDecision, words: Words) -> str:
    whose = f" for {words.person(said.on_behalf_of)}" if said.on_behalf_of else ""
    return f"{words.person(said.by)} {_VERBS.get(said.decision, said.decision)}{whose}"


def _written(review: PastReview, words: Words) -> Iterator[Event]:
    """What became of approved changes; what is of one minute and alike together."""
    changes = {
        item.item_id: item.change for asked in review.requests for item in asked.request.items
    }
    rows = sorted(review.written, key=lambda one: one.at)
    for (_, state, reason), several in groupby(rows, _alike):
        found = list(several)
        told = [_record(one, changes.get(one.change_id), words) for one in found]
        single, plural = _WRITTEN.get(state, _NOT_WRITTEN)
        text, parts = _summed(single, plural, told, words)
        # Where all of them went alike, they stand below where they were approved.
        shown = parts if len(found) < len(rows) else ()
        yield Event(at=found[-1].at, text=text, parts=shown, reason=reason, review=review)


def _alike(one: WrittenChange) -> tuple[datetime, ItemState, str | None]:
    return one.at.replace(second=0, microsecond=0), one.state, one.reason


def _record(one: WrittenChange, change: ProposedChange | None, words: Words) -> str:
    known = change.as_written(one.written) if change else None
    told = words.change(known) if known else one.record.name or words.term(one.record.type)
    return f"{told} (the CRM shows something else)" if one.verified is False else told


def _summed(one: str, many: str, told: Sequence[str], words: Words) -> tuple[str, tuple[str, ...]]:
    """ "Written to the CRM: New task", or "3 changes were written to the CRM" and which."""
    if len(told) == 1:
        return f"{one}: {told[0]}", ()
    return f"{words.count(len(told), 'change')} {many}", tuple(told)


def _acted(text: str, told: Sequence[str], words: Words) -> tuple[str, tuple[str, ...]]:
    """ "Ann Lee approved: New task", or "Ann Lee approved 3 changes" and which."""
    if len(told) == 1:
        return f"{text}: {told[0]}", ()
    return f"{text} {words.count(len(told), 'change')}", tuple(told)


def _who(name: str | None, words: Words) -> str:
    return words.person(name) if name else "Somebody"
