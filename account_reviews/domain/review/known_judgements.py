"""What the rules and people say of an account: risk, health, findings, proposals, decisions."""

from collections.abc import Iterator

from account_reviews.domain.analysis.evidence import cite, ref
from account_reviews.domain.analysis.model import (
    Analysis,
    Contribution,
    Evidence,
    PriorOutcome,
    Recommendation,
    Reference,
)
from account_reviews.domain.analysis.risk import reason
from account_reviews.domain.base import Scalar, Timestamp
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import Item
from account_reviews.domain.review.known_facts import (
    NOT_ANALYSED,
    OUR_WORDS,
    Gap,
    Known,
    Line,
    Sentence,
    day,
    listed,
    of_analysis,
    remembered,
    shortened,
    spoken,
    words,
)


def tell_risk(known: Known) -> Iterator[Line]:
    analysis = known.analysis
    if analysis is None:
        yield NOT_ANALYSED
        return
    risk = analysis.risk
    score = "" if risk.score is None else f", {risk.score} of 100"
    before = ""
    if risk.previous is not None:
        was = "" if risk.previous.score is None else f", {risk.previous.score}"
        before = f"; at the last review it was {risk.previous.level}{was}"
    yield Sentence(
        text=f"The risk is {risk.level}{score}{before}.",
        evidence=(_score(analysis, "risk", risk.score, risk.level),),
    )
    if known.why:
        yield from _reasons(analysis, risk.contributions, known)
    yield from _uncounted(risk.unknown, "risk")


def tell_health(known: Known) -> Iterator[Line]:
    analysis = known.analysis
    if analysis is None:
        yield NOT_ANALYSED
        return
    health = analysis.health
    score = "" if health.score is None else f", {health.score} of 100"
    yield Sentence(
        text=f"The health is {words(health.band)}{score}.",
        evidence=(_score(analysis, "health", health.score, health.band),),
    )
    if known.why:
        yield from _reasons(analysis, health.contributions, known)
    if analysis.engagement is not None:
        value = round(analysis.engagement, 2)
        yield Sentence(
            text=f"Engagement is {value:.0%}.",
            evidence=(of_analysis(analysis, "engagement", value),),
        )
    yield from _uncounted(health.unknown, "health")


def _reasons(
    analysis: Analysis, parts: tuple[Contribution, ...], known: Known
) -> Iterator[Sentence]:
    for part in sorted(parts, key=lambda one: -abs(one.points)):
        points = f"{part.points:+d} point{'' if abs(part.points) == 1 else 's'}"
        evidence = known.dated(part.evidence) or (
            of_analysis(analysis, f"points.{part.rule}", part.points),
        )
        yield Sentence(text=f"{points}: {reason(part.rule, known.policy)}.", evidence=evidence)


def _uncounted(unknown: tuple[str, ...], what: str) -> Iterator[Gap]:
    if unknown:
        yield Gap(text=f"Unknown, and so not counted in the {what}: {listed(unknown)}.")


def tell_findings(known: Known) -> Iterator[Line]:
    if known.analysis is None:
        yield NOT_ANALYSED
        return
    found = (*known.analysis.findings, *known.findings)
    for finding in found:
        yield Sentence(
            text=f"{finding.title} ({finding.severity}).", evidence=known.dated(finding.evidence)
        )
    if not found:
        yield Gap(text=f"The analysis as of {day(known.as_of)} found nothing that stands out.")


def tell_changes(known: Known) -> Iterator[Line]:
    analysis = known.analysis
    if analysis is None:
        yield NOT_ANALYSED
        return
    if analysis.baseline_at is None:
        yield Gap(text="This is the first review of the account: there is nothing to compare with.")
        return
    for change in analysis.changes:
        name = change.record.name or change.record.id or change.record.type
        yield Sentence(
            text=f"{words(change.type).capitalize()}: {words(change.field)} of {name} "
            f"went from {spoken(change.before)} to {spoken(change.after)}.",
            evidence=(Evidence(**change.model_dump(exclude={"type", "requires_attention"})),),
        )
    if not analysis.changes:
        yield Gap(text=f"Nothing changed since the review of {day(analysis.baseline_at)}.")


def tell_proposals(known: Known) -> Iterator[Line]:
    analysis = known.analysis
    if analysis is None:
        yield NOT_ANALYSED
        return
    items = {item.item_id: item for one in known.requests for item in one.items}
    for one in sorted(analysis.recommendations, key=lambda item: (-item.urgency, item.id)):
        states = [words(items[name].state) for name in one.change_ids if name in items]
        standing = f" It is {listed(sorted(set(states)))}." if states else ""
        yield Sentence(
            text=f"{one.title} ({one.priority}): {shortened(one.rationale, 300)}{standing}",
            evidence=known.dated(_references(known, one)),
        )
        if known.why:
            yield _confidence(analysis, one)
    for title in analysis.quiet:
        yield Gap(text=f"{title} is not proposed again: somebody rejected it lately.")
    if not analysis.recommendations and not analysis.quiet:
        yield Gap(text=f"Nothing is proposed as of {day(analysis.as_of)}.")


def _confidence(analysis: Analysis, one: Recommendation) -> Sentence:
    found = one.confidence
    return Sentence(
        text=f"The rule {words(one.rule)} is {found.overall:.0%} sure of it: data "
        f"{found.data_recency:.0%} recent, evidence {found.evidence_quality:.0%} strong, "
        f"{found.historical_accuracy:.0%} right before.",
        evidence=(of_analysis(analysis, f"confidence of {one.id}", round(found.overall, 4)),),
    )


def _references(known: Known, one: Recommendation) -> tuple[Evidence, ...]:
    return tuple(_reference(known, source) for source in one.references)


def _reference(known: Known, source: Reference) -> Evidence:
    """What a recommendation goes by: as a finding or a score cites it, else as it was read."""
    cited = source.evidence or next(
        (
            evidence
            for evidence in _cited(known.analysis)
            if (evidence.record.id, evidence.field) == (source.entity_id, source.field)
        ),
        None,
    )
    if cited is not None:
        return cited
    known_types = {one.value for one in RecordType}
    kind = RecordType(source.entity_type) if source.entity_type in known_types else RecordType.NOTE
    record = known.record(kind, source.entity_id)
    if record is not None and source.field in type(record).model_fields:
        return cite(record, source.field, at=source.timestamp)
    return Evidence(
        record=RecordRef(type=kind, id=source.entity_id),
        field=source.field or source.source_type,
        at=source.timestamp,
    )


def _cited(analysis: Analysis | None) -> Iterator[Evidence]:
    if analysis is None:
        return
    for finding in analysis.findings:
        yield from finding.evidence
    for counted in (*analysis.risk.contributions, *analysis.health.contributions):
        yield from counted.evidence


def tell_decisions(known: Known) -> Iterator[Line]:
    here = [item for one in known.requests for item in one.items if item.decided_at is not None]
    for item in here:
        yield _decided(item)
    waiting = [(item, one) for one in known.requests for item in one.items if item.is_open]
    for item, one in waiting:
        yield Sentence(
            text=f"{item.change.title} waits for a decision.",
            evidence=(_of_item(item, one.requested_at),),
        )
    recalled = {hit.id: hit for hit in (*known.found, *(known.memory or ()))}
    told = set[Scalar]()
    for hit in sorted(recalled.values(), key=lambda one: one.occurred_at, reverse=True):
        if hit.kind in OUR_WORDS:
            told.add(hit.attributes.get("change_id"))
            yield remembered(hit)
    for outcome in sorted(known.prior, key=lambda one: one.at, reverse=True):
        if outcome.change_id not in told:
            yield _ended(outcome, known)
    if not (here or waiting or known.prior or told):
        yield Gap(text="No decision on this account is known, of this review or an earlier one.")


def _decided(item: Item) -> Sentence:
    by = f" by {item.decided_by}" if item.decided_by else ""
    why = f": {shortened(item.reason)}" if item.reason else ""
    at = f" on {day(item.decided_at)}" if item.decided_at else ""
    return Sentence(
        text=f"In this review: {item.change.title} was {words(item.state)}{by}{at}{why}.",
        evidence=(_of_item(item, item.decided_at),),
    )


def _of_item(item: Item, at: Timestamp | None) -> Evidence:
    return Evidence(record=item.change.record, field="decision", value=item.state, at=at)


def _ended(outcome: PriorOutcome, known: Known) -> Sentence:
    by = f" by {outcome.by}" if outcome.by else ""
    why = f": {shortened(outcome.reason)}" if outcome.reason else ""
    kind = words(outcome.recommendation_type)
    account = RecordRef(type=RecordType.ACCOUNT)
    if known.snapshot is not None:
        account = ref(known.snapshot.account)
    return Sentence(
        text=f"In an earlier review: a proposal of the kind {kind} was {words(outcome.state)}{by} "
        f"on {day(outcome.at)}{why}.",
        evidence=(Evidence(record=account, field="decision", value=outcome.state, at=outcome.at),),
    )


def _score(analysis: Analysis, what: str, score: int | None, level: str) -> Evidence:
    if score is None:
        return of_analysis(analysis, f"{what}_level", level)
    return of_analysis(analysis, f"{what}_score", score)
