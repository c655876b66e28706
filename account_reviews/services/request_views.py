"""One request with all that a person needs to decide on it, for a page."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from account_reviews.bootstrap import Parts
from account_reviews.domain.analysis.evidence import same_moment
from account_reviews.domain.analysis.model import Analysis, Evidence, Recommendation, Reference
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.person_names import person
from account_reviews.domain.proposals import ItemState, ProposedChange
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item
from account_reviews.domain.review.past_decisions import PastDecision, past_decisions
from account_reviews.domain.review.quorum import Said, is_alone, why_not
from account_reviews.domain.review.state import ReviewState
from account_reviews.store import name_queries
from account_reviews.store.inbox_queries import InboxReader
from account_reviews.store.review_queries import RequestRow

_SOURCES = 6
"""Sources that are shown of one change."""


class Source(NamedTuple):
    """Where something is known from: the record, its field, what stands or stood there, when."""

    type: str
    name: str
    url: str | None
    field: str | None
    before: Scalar
    after: Scalar
    value: Scalar
    at: Timestamp | None
    """None where nobody knows it, or the value is that time."""
    is_known: bool
    """Whether the analysis has seen what stood there; a value of None is an empty field then."""


class ItemView(NamedTuple):
    """One change, and what stands behind it."""

    item: Item
    recommendation: Recommendation | None
    sources: tuple[Source, ...]


class RequestView(NamedTuple):
    """A request as its page shows it. `state` and `analysis` are None where they cannot be read."""

    row: RequestRow
    items: tuple[ItemView, ...]
    state: ReviewState | None
    analysis: Analysis | None
    value: str | None
    """The yearly revenue of the account."""
    before: tuple[PastDecision, ...]
    """What came of what was proposed for the account before, newest first."""
    owners: Mapping[str, str | None]
    """Everybody whose accounts were reviewed: id -> name."""

    @property
    def request(self) -> ApprovalRequest:
        return self.row.request

    @property
    def account_name(self) -> str | None:
        if self.state is not None and self.state.snapshot is not None:
            return self.state.snapshot.account_name
        return self.analysis.account_name if self.analysis else None

    @property
    def anew(self) -> str | None:
        """The request that asks again for what newer facts have overtaken in this one."""
        if all(one.state is not ItemState.SUPERSEDED for one in self.request.items):
            return None
        later = (
            one.request_id
            for one in (self.state.pending if self.state else ())
            if one.requested_at > self.request.requested_at
        )
        return next(later, None)

    @property
    def owner_name(self) -> str | None:
        found = self.state.snapshot if self.state else None
        return found.owner_name if found else None


async def read_view(parts: Parts, row: RequestRow) -> RequestView:
    """All of it. UnreachableError when the database is down."""
    tenant = parts.settings.tenant
    state = await _state(parts, row)
    analysis = await _analysis(parts, state)
    reader = InboxReader(parts.statements, tenant)
    snapshot = state.snapshot.hash if state and state.snapshot else None
    return RequestView(
        row=row,
        items=tuple(_item_view(one, analysis) for one in row.request.items),
        state=state,
        analysis=analysis,
        value=await reader.account_value(snapshot),
        before=past_decisions(
            await parts.reader.past_requests(
                tenant, row.request.account_id, row.request.requested_at
            )
        ),
        owners=await name_queries.owner_names(parts.statements, tenant),
    )


def absent_seats(request: ApprovalRequest, name: str) -> tuple[str, ...]:
    """Those for whom this person may decide on that request, as they are called there."""
    who = request.terms.who
    pairs = [(one.of, one.to) for one in request.delegations]
    pairs += [(of, to) for of, hands in request.terms.delegates.items() for to in hands]
    mine = who(name)
    found = {who(of): of for of, to in pairs if who(to) == mine and who(of) != mine}
    return tuple(found.values())


def why_not_asked(request: ApprovalRequest, name: str) -> str | None:
    """Why this person decides on nothing of it, by the lists that the request was opened with, as
    the review will say; None where he may on something."""
    if request.needs is None:
        return None
    whys = [why_not(request.rules(one), name, None) for one in request.items if one.is_open]
    return whys[0] if whys and all(whys) else None


def is_all_own(request: ApprovalRequest, name: str) -> bool:
    """Whether this person proposed all that is open there: somebody else must approve it."""
    rules = [request.rules(one) for one in request.items if one.is_open]
    return (
        request.needs is not None
        and bool(rules)
        and all(is_alone(one, name, None) for one in rules)
    )


def has_approved_all(request: ApprovalRequest, name: str) -> bool:
    """Whether nothing is left of it but what this person has approved, in whose place ever."""
    who = request.terms.who
    left = [
        {*map(who, one.approvals), *(who(vote.by) for vote in one.votes if vote.says is Said.YES)}
        for one in request.items
        if one.is_open
    ]
    return bool(left) and all(who(name) in spoken for spoken in left)


def decided_by_others(request: ApprovalRequest, items: Iterable[str], name: str) -> list[Item]:
    """Those of these items that are closed, and not by him."""
    meant = set(items)
    return [
        one
        for one in request.items
        if one.item_id in meant
        and not one.is_open
        and (one.decided_by is None or person(one.decided_by) != person(name))
    ]


async def _state(parts: Parts, row: RequestRow) -> ReviewState | None:
    try:
        found = await parts.reader.find_run(
            tenant=parts.settings.tenant, review_id=row.review_id, run_id=row.run_id
        )
    except (ReviewsError, ValidationError):
        return None
    return found.state


async def _analysis(parts: Parts, state: ReviewState | None) -> Analysis | None:
    """The evidence; a request is shown without it when it cannot be read."""
    if state is None or state.analysis is None:
        return None
    try:
        body: Any = await parts.reader.document(state.analysis.hash)
        return None if body is None else Analysis.model_validate(body)
    except (ReviewsError, ValidationError):
        return None


def _item_view(item: Item, analysis: Analysis | None) -> ItemView:
    change = item.change
    recommendations = analysis.recommendations if analysis else ()
    of_it = (one for one in recommendations if one.id == change.recommendation_id)
    recommendation = next(of_it, None)
    if analysis is None or recommendation is None:
        return ItemView(item, recommendation, ())
    return ItemView(item, recommendation, tuple(_sources(item, recommendation, analysis)))


def _sources(item: Item, recommendation: Recommendation, analysis: Analysis) -> Iterator[Source]:
    """The references, with what the analysis saw there."""
    known: dict[tuple[str, str | None, str | None], Evidence] = {}
    records: dict[tuple[str, str | None], Evidence] = {}
    for one in _evidence(analysis):
        known.setdefault((str(one.record.type), one.record.id, one.field), one)
        records.setdefault((str(one.record.type), one.record.id), one)
    changes = (item.change, *analysis.proposed_changes)
    told: set[tuple[str, str | None, str | None]] = set()
    for reference in recommendation.references:
        key = (reference.entity_type, reference.entity_id, reference.field)
        if key in told or len(told) == _SOURCES:
            continue
        told.add(key)
        seen = reference.evidence or known.get(key)
        record = seen or records.get(key[:2])
        name = record.record.name if record else None
        at = (seen.at if seen else None) or reference.timestamp
        yield Source(
            type=reference.entity_type,
            name=name or reference.entity_id or "",
            url=record.record.url if record else None,
            field=reference.field,
            before=seen.before if seen else None,
            after=seen.after if seen else None,
            value=seen.value if seen else _standing(changes, reference),
            at=None if seen and same_moment(seen.value, at) else at,
            is_known=seen is not None,
        )


def _standing(changes: Iterable[ProposedChange], reference: Reference) -> Scalar:
    """What one of the changes found in that field of that record."""
    for one in changes:
        is_of_it = reference.entity_id is not None and reference.entity_id == one.record.id
        if is_of_it and reference.field in one.before:
            return one.before[reference.field]
    return None


def _evidence(analysis: Analysis) -> Iterator[Evidence]:
    for finding in analysis.findings:
        yield from finding.evidence
    for part in (*analysis.risk.contributions, *analysis.health.contributions):
        yield from part.evidence
    for one in analysis.changes:
        yield Evidence(
            record=one.record, field=one.field, before=one.before, after=one.after, at=one.at
        )
