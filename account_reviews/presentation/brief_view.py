"""What the brief of one account says, in words and in the order in which it is read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final, NamedTuple

from account_reviews.domain.analysis.model import Evidence, OpenTask, Recommendation, is_news
from account_reviews.domain.base import Scalar
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import Account, RecordRef, RecordType
from account_reviews.domain.reports.brief import Brief, BriefItem, Reason
from account_reviews.presentation.claims import Claim, Source, Teller, moved_score
from account_reviews.presentation.score_chart import ScoreChart, score_chart
from account_reviews.presentation.surroundings import Decide, Past, Surroundings, decisions
from account_reviews.presentation.terms import UNKNOWN
from account_reviews.presentation.words import Difference, Words

AT_A_GLANCE: Final = 2
"""Reasons and changes on the first screen."""
AT_MOST_NAMED: Final = 5
"""Unknown facts that are named there."""
_WHAT_IS_MISSING: Final[Mapping[str, str]] = {
    "crm": "The CRM could not be reached.",
    "memory": "The account memory could not be reached: there is no history in this brief.",
}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A score as words. `tone` is a word of a badge."""

    name: str
    tone: str
    word: str
    score: str | None
    trend: str | None


@dataclass(frozen=True, slots=True)
class Item:
    """A proposed change, where it stands, and what it does field by field."""

    text: str
    tone: str
    state: str
    creates: bool
    differences: tuple[Difference, ...]
    rationale: Claim
    record: Source
    deferred: str | None


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation with its steps and its changes."""

    title: str
    tone: str
    priority: str
    rationale: Claim
    facts: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class BriefView:
    title: str
    account_id: str
    link: str | None
    facts: tuple[str, ...]
    """Owner, status, money: what the account is."""
    day: str
    made: str
    gauges: tuple[Gauge, ...]
    how: str
    notices: tuple[str, ...]
    why: tuple[Claim, ...]
    changed: tuple[Claim, ...]
    taken_back: tuple[str, ...]
    """What people have put back as it was since this review began."""
    decide: tuple[Decide, ...]
    nothing_to_decide: str
    chart: ScoreChart | None
    only_review: bool
    risk: tuple[Claim, ...]
    health: tuple[Claim, ...]
    engagement: str
    unknown: tuple[str, ...]
    findings: tuple[Claim, ...]
    advice: tuple[Advice, ...]
    shown: int
    others: tuple[Item, ...]
    open_tasks: tuple[Claim, ...]
    """What would be proposed, and stands in the CRM already."""
    quiet: tuple[str, ...]
    first_review: bool
    rules: str

    @property
    def no_reason(self) -> str:
        """What stands where nothing speaks against the account."""
        if self.gauges[0].score is None:
            return f"Too little is known: {', '.join(self.unknown[:AT_MOST_NAMED])}."
        known = ", as far as is known" if self.unknown else ""
        return f"Nothing counts against this account{known}."

    @property
    def glance_why(self) -> tuple[Claim, ...]:
        return self.why[:AT_A_GLANCE]

    @property
    def glance_changed(self) -> tuple[Claim, ...]:
        return self.changed[:AT_A_GLANCE]


class _Told(NamedTuple):
    """A change of a document with the parts that `Words` tells."""

    action: Action
    before: Mapping[str, Scalar]
    after: Mapping[str, Scalar]
    title: str
    due_in_seconds: int | None = None


def brief_view(brief: Brief, words: Words, beside: Surroundings) -> BriefView:
    """The brief for one reader."""
    if brief.owner_id and brief.owner_name:
        words = replace(words, people={**words.people, brief.owner_id: brief.owner_name})
    return _Maker(brief, words.priced(brief.currency), beside).view()


class _Maker:
    def __init__(self, brief: Brief, words: Words, beside: Surroundings) -> None:
        self._brief = brief
        self._words = words
        self._beside = beside
        self._tell = Teller(words)
        self._known = (*_fields_of(beside.account), *_evidence_of(brief))

    def view(self) -> BriefView:
        brief, words = self._brief, self._words
        items = {one.change_id: self._item(one) for one in brief.items}
        advice = tuple(self._advice(one, items) for one in brief.recommendations)
        told = {key for one in brief.recommendations for key in _items_of(one, brief.items)}
        history = self._history()
        first = brief.baseline_at is None
        return BriefView(
            title=brief.account_name,
            account_id=brief.account_id,
            link=self._link(),
            facts=tuple(self._facts()),
            day=words.day(brief.generated_at),
            made=self._made(),
            gauges=self._gauges(),
            how=self._how(),
            notices=tuple(self._notices()),
            why=self._why(),
            changed=self._changed(),
            taken_back=tuple(
                f"Taken back since, {words.day(one.at)}: {words.change(one.change)}"
                for one in self._beside.taken_back
            ),
            decide=decisions(self._beside.asked, words, self._beside.web_url),
            nothing_to_decide=self._nothing_to_decide(),
            chart=score_chart(history, words),
            only_review=len(history) < 2,
            risk=tuple(self._reason(one) for one in brief.risk_reasons),
            health=tuple(self._reason(one) for one in brief.health_reasons),
            engagement=words.percent(brief.engagement),
            unknown=tuple(words.field(name).lower() for name in brief.unknown),
            findings=self._findings(),
            advice=advice,
            shown=brief.shown,
            others=tuple(one for key, one in items.items() if key not in told),
            open_tasks=tuple(self._open_task(one) for one in brief.open_tasks),
            quiet=brief.quiet,
            first_review=first,
            rules=f"Rules: version {brief.policy_version}.",
        )

    def _link(self) -> str | None:
        if self._beside.account is not None and self._beside.account.url:
            return self._beside.account.url
        mine = (
            one.record.url
            for one in self._known
            if one.record.type == "account" and one.record.id == self._brief.account_id
        )
        return next((url for url in mine if url), None)

    def _facts(self) -> Iterable[str]:
        brief, words, account = self._brief, self._words, self._beside.account
        yield f"Owner: {brief.owner_name or words.person(brief.owner_id)}"
        if account is None:
            return
        if account.status is not None:
            yield f"Status: {account.status}"
        revenue = account.annual_revenue
        yield "Annual revenue: " + (UNKNOWN if revenue is None else words.money(revenue))
        end = account.renewal_date or account.contract_end
        if end is not None:
            what = "Renewal" if account.renewal_date else "Contract ends"
            yield f"{what}: {words.due(end)}"

    def _made(self) -> str:
        brief, words = self._brief, self._words
        reading = words.count(brief.estimated_review_time_minutes, "minute")
        return f"As of {words.when(brief.generated_at)}, {reading} to read"

    def _gauges(self) -> tuple[Gauge, ...]:
        brief, words = self._brief, self._words
        risk, health = brief.risk, brief.health
        before = self._beside.past[-1] if self._beside.past else None
        was = None if before is None else before.health
        moved = None if was is None or health.score is None else moved_score(health.score, was)
        return (
            Gauge(
                "Risk",
                risk.level,
                words.term(risk.level),
                score_of(risk.score),
                self._tell.risk_before(risk.score, risk.previous),
            ),
            Gauge("Health", health.band, words.term(health.band), score_of(health.score), moved),
        )

    def _how(self) -> str:
        told = []
        for one in self._gauges():
            more = ", ".join(part for part in (one.score, one.trend) if part)
            told.append(f"{one.name} is {one.word}" + (f" ({more})" if more else ""))
        return f"{told[0]}, {told[1][0].lower()}{told[1][1:]}."

    def _notices(self) -> Iterable[str]:
        brief = self._brief
        for source in brief.missing_sources:
            said = _WHAT_IS_MISSING.get(source, f"{self._words.field(source)} could not be read.")
            if source == "crm" and brief.stale_seconds is not None:
                said += f" Its data here is {self._words.span(brief.stale_seconds)} old."
            yield said

    def _reason(self, reason: Reason) -> Claim:
        return Claim(
            text=capital(self._tell.prose(reason.text)),
            sources=self._tell.sources(reason.evidence),
            points=f"{reason.points:+d}" if reason.points else "0",
        )

    def _why(self) -> tuple[Claim, ...]:
        """What needs attention, gravest first, then what makes the risk; each fact once."""
        brief = self._brief
        grave = ("critical", "high", "medium", "low")
        pressing = sorted(
            (one for one in brief.findings if one.requires_attention and is_news(one.kind)),
            key=lambda one: grave.index(one.severity),
        )
        found: dict[frozenset[tuple[str | None, str]], Claim] = {}
        for finding in pressing:
            found.setdefault(_facts_of(finding.evidence), self._tell.finding(finding))
        for reason in sorted(brief.risk_reasons, key=lambda one: -one.points):
            found.setdefault(_facts_of(reason.evidence), self._reason(reason))
        return tuple(found.values())

    def _changed(self) -> tuple[Claim, ...]:
        brief = self._brief
        return tuple(
            self._tell.detected(one, brief.findings)
            for one in sorted(brief.changes, key=lambda one: not one.requires_attention)
            if is_news(one.type)
        )

    def _findings(self) -> tuple[Claim, ...]:
        """But for those that say of a change what stands under the changes."""
        changed = {(one.type, one.record.id, one.field) for one in self._brief.changes}
        return tuple(
            self._tell.finding(one)
            for one in self._brief.findings
            if is_news(one.kind)
            and not any((one.kind, it.record.id, it.field) in changed for it in one.evidence)
        )

    def _nothing_to_decide(self) -> str:
        open_items = [one for one in self._brief.items if one.state is ItemState.PROPOSED]
        if not self._brief.items:
            return "Nothing is proposed."
        if open_items:
            return f"{self._words.count(len(open_items), 'change')} proposed, and nobody is asked."
        return "Nothing: all proposed changes are decided."

    def _history(self) -> tuple[Past, ...]:
        brief = self._brief
        now = Past(
            at=brief.generated_at,
            risk=brief.risk.score,
            risk_level=brief.risk.level,
            health=brief.health.score,
            health_band=brief.health.band,
        )
        return (*(one for one in self._beside.past if one.at <= now.at), now)

    def _advice(self, one: Recommendation, items: Mapping[str, Item]) -> Advice:
        words = self._words
        sure = capital(words.term(one.confidence.level))
        facts = [
            f"{sure} confidence ({words.percent(one.confidence.overall)})",
            f"{words.count(one.estimated_effort_minutes, 'minute')} of work",
            f"valid until {words.day(one.expires_at)}",
            *one.confidence.notes,
        ]
        if one.deferred is not None:
            facts.append(self._put_off(one.deferred.by, words.day(one.deferred.at)))
        return Advice(
            title=one.title,
            tone=one.priority,
            priority=words.term(one.priority),
            rationale=Claim(
                self._tell.prose(one.rationale),
                self._tell.references(one.references, self._known),
            ),
            facts=tuple(facts),
            steps=tuple((step.description, step.timeline) for step in one.next_steps),
            items=tuple(items[key] for key in _items_of(one, self._brief.items)),
        )

    def _item(self, item: BriefItem) -> Item:
        words, deferred = self._words, item.deferred
        shown, written = item.shown or item.after, self._beside.written.get(item.change_id, {})
        if shown.get("due_at") and written.get("due_at"):
            shown = {**shown, "due_at": written["due_at"]}  # it was counted from the write
        told = _Told(item.action, item.before, shown, item.title)
        found = next(
            (one for one in self._brief.recommendations if one.id == item.recommendation_id), None
        )
        rests_on = self._tell.references(found.references, self._known) if found else ()
        return Item(
            text=words.change(told),
            tone=item.state,
            state=words.term(item.state),
            creates=item.action.creates,
            differences=tuple(words.differences(told)),
            rationale=Claim(self._tell.prose(item.rationale), rests_on),
            record=Source(self._tell.record(item.record), item.record.url, None, None, None),
            deferred=self._put_off(deferred.by, words.day(deferred.at)) if deferred else None,
        )

    def _open_task(self, task: OpenTask) -> Claim:
        record = Source(self._tell.record(task.record), task.record.url, None, None, None)
        return Claim(self._words.open_task(task), (record,))

    def _put_off(self, by: str, day: str) -> str:
        return f"put off by {self._words.person(by)} on {day}"


def _items_of(one: Recommendation, items: Sequence[BriefItem]) -> list[str]:
    return [it.change_id for it in items if it.recommendation_id == one.id]


def _fields_of(account: Account | None) -> Iterable[Evidence]:
    """What the account says, for what is referred to by its field alone."""
    if account is None:
        return
    record = RecordRef(type=RecordType.ACCOUNT, id=account.id, name=account.name, url=account.url)
    for name, value in account.model_dump(mode="json", exclude={"custom"}).items():
        yield Evidence(record=record, field=name, value=value, at=account.modified_at)


def _evidence_of(brief: Brief) -> tuple[Evidence, ...]:
    cited = [one.evidence for one in brief.findings]
    cited += [one.evidence for one in (*brief.risk_reasons, *brief.health_reasons)]
    return tuple(chain.from_iterable(cited))


def _facts_of(evidence: Iterable[Evidence]) -> frozenset[tuple[str | None, str]]:
    return frozenset((one.record.id, one.field) for one in evidence)


def score_of(score: int | None) -> str | None:
    """ "72 of 100"; None for what is unknown."""
    return None if score is None else f"{score} of 100"


def capital(text: str) -> str:
    """The same, begun with a capital."""
    return text[:1].upper() + text[1:]
