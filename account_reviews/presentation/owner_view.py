"""What the brief of an owner says, in words: the accounts with something to say, one by one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from account_reviews.domain.analysis.model import GRAVE, Evidence, is_news
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.reports.owner_brief import (
    UNASSIGNED,
    AccountLine,
    OwnerBrief,
    OwnerRecommendation,
    Update,
)
from account_reviews.presentation import charts
from account_reviews.presentation.brief_view import Gauge, score_of
from account_reviews.presentation.charts import Chart
from account_reviews.presentation.claims import Claim, Teller
from account_reviews.presentation.surroundings import Decide, Surroundings, decisions
from account_reviews.presentation.terms import UNKNOWN
from account_reviews.presentation.words import Words

FIRST: Final = 3
"""Accounts on the first screen."""
OPEN: Final = 5
"""Accounts that are not folded up."""


@dataclass(frozen=True, slots=True)
class Advised:
    """A recommendation in short."""

    title: str
    tone: str
    rationale: Claim
    facts: str


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account. `value` is its annual revenue, None where this document does not know it."""

    name: str
    account_id: str
    owner: str | None
    risk: Gauge
    health: Gauge | None
    value: str | None
    decide: tuple[Decide, ...]
    until: str | None
    """Until when a decision is waited for, where the request itself is not known."""
    note: str | None
    changes: tuple[Claim, ...]
    unchanged: str
    """What is said where there are no changes."""
    why: str | None
    """The reason of what is most urgent in it."""
    advice: tuple[Advised, ...]

    @property
    def says(self) -> bool:
        return bool(self.changes or self.advice or self.decide or self.until or self.note)


@dataclass(frozen=True, slots=True)
class OwnerView:
    title: str
    owner_id: str | None
    summary: str
    made: str
    how: str
    notices: tuple[str, ...]
    tiles: tuple[tuple[str, str], ...]
    first: tuple[AccountView, ...]
    changed: str
    decide: tuple[Decide, ...]
    charts: tuple[Chart, ...]
    accounts: tuple[AccountView, ...]
    calm: tuple[AccountView, ...]
    left_out: str | None


def owner_title(one: Any, words: Words) -> str:
    """How a brief or a line of an owner calls him or her."""
    values = one if isinstance(one, Mapping) else one.model_dump(include={"owner_id", "owner_name"})
    if values["owner_id"] == UNASSIGNED:
        return "Accounts nobody owns"
    return str(values["owner_name"] or words.person(values["owner_id"]))


def owner_view(brief: OwnerBrief, words: Words, beside: Surroundings, number: int = 0) -> OwnerView:
    """The brief for one reader. `number` tells its drawings from those of others on the page."""
    if brief.owner_name:
        words = replace(words, people={**words.people, brief.owner_id: brief.owner_name})
    return _Maker(brief, words, beside, number).view()


class _Maker:
    def __init__(self, brief: OwnerBrief, words: Words, beside: Surroundings, number: int) -> None:
        self._brief = brief
        self._words = words
        self._beside = beside
        self._number = number
        self._tell = Teller(words)
        self._stale = {one.account_id: one.stale_seconds for one in brief.stale_accounts}
        self._failed = {one.account_id: one.reason for one in brief.failed_accounts}

    def view(self) -> OwnerView:
        brief, words = self._brief, self._words
        updates = {one.account_id: one for one in brief.updates}
        advice: dict[str, list[OwnerRecommendation]] = {}
        for one in brief.recommendations:
            advice.setdefault(one.account_id, []).append(one)
        lines = by_danger(brief.accounts, self._beside.values)
        found = [
            self._account(line, updates.get(line.account_id), advice.get(line.account_id, ()))
            for line in lines
        ]
        mine = {line.account_id: line.account_name for line in lines}
        asked = [one for one in self._beside.asked if one.account_id in mine]
        return OwnerView(
            title=owner_title(brief, words),
            owner_id=None if brief.owner_id == UNASSIGNED else brief.owner_id,
            summary=self._tell.prose(brief.summary),
            made=self._made(),
            how=self._how(),
            notices=tuple(self._notices()),
            tiles=tuple(self._tiles()),
            first=tuple(one for one in found if one.risk.tone in GRAVE)[:FIRST],
            changed=self._changed(),
            decide=decisions(asked, words, self._beside.web_url, mine),
            charts=self._charts() if brief.accounts else (),
            accounts=tuple(one for one in found if one.says),
            calm=tuple(one for one in found if not one.says),
            left_out=self._left_out(),
        )

    def _made(self) -> str:
        brief, words = self._brief, self._words
        reading = words.count(brief.estimated_review_time_minutes, "minute")
        kind, until = words.term(brief.kind), words.when(brief.period_end)
        begun = brief.period_start
        over = until
        if begun is not None and begun < brief.period_end:
            over = f"from {words.when(begun)} to {until}"
        return f"{kind[:1].upper()}{kind[1:]} cycle, {over}, {reading} to read"

    def _how(self) -> str:
        figures, words = self._brief.figures, self._words
        what = words.count(self._brief.accounts_total, "account")
        grave, money = f"{figures.at_risk} with high or critical risk", figures.at_risk_value
        if figures.at_risk:
            grave += worth(money.value, figures.at_risk_of_unknown_value, words)
        return f"{what}, {grave}."

    def _changed(self) -> str:
        brief, words = self._brief, self._words
        return said_of_changes(words, brief.accounts_with_news, brief.first_reviews)

    def _notices(self) -> Iterator[str]:
        brief, words = self._brief, self._words
        if brief.missing_sources:
            names = ", ".join(words.term(name) for name in brief.missing_sources)
            yield f"Not everything could be read: {names} missing."
        for one in brief.failed_accounts:
            who = words.account(one.account_name, one.account_id)
            yield f"{who} could not be reviewed: {one.reason}"

    def _tiles(self) -> Iterator[tuple[str, str]]:
        brief = self._brief
        yield str(brief.accounts_reviewed), f"of {brief.accounts_total} accounts reviewed"
        yield str(brief.accounts_with_news), "with changes"
        yield str(brief.figures.at_risk), "with high or critical risk"
        yield str(brief.critical_recommendations), "critical or high recommendations"
        yield str(brief.stalled_deals), "stalled deals"
        yield str(brief.overdue_follow_ups), "overdue follow-ups"

    def _charts(self) -> tuple[Chart, ...]:
        brief, words, number = self._brief, self._words, self._number
        return (
            charts.health_chart(words, brief.figures.health_distribution, f"health-{number}"),
            charts.account_chart(words, brief.accounts, f"accounts-{number}"),
        )

    def _left_out(self) -> str | None:
        brief = self._brief
        more = brief.total_recommendations - len(brief.recommendations)
        if more <= 0:
            return None
        return f"The most urgent of {brief.total_recommendations} recommendations are shown."

    def _account(
        self,
        line: AccountLine,
        update: Update | None,
        advice: Sequence[OwnerRecommendation],
    ) -> AccountView:
        words = self._words
        asked = decisions(self._beside.of_account(line.account_id), words, self._beside.web_url)
        due = None if line.due_at is None or asked else words.due(line.due_at)
        return replace(
            account_view(line, words, self._beside),
            decide=asked,
            until=due,
            note=self._note(line),
            changes=self._changes(update),
            why=self._tell.prose(advice[0].rationale) if advice else None,
            advice=tuple(self._advised(one, line, update) for one in advice),
        )

    def _note(self, line: AccountLine) -> str | None:
        if line.account_id in self._failed:
            return f"It could not be reviewed: {self._failed[line.account_id]}"
        if line.account_id in self._stale:
            return f"Its data is {self._words.span(self._stale[line.account_id])} old."
        return None

    def _changes(self, update: Update | None) -> tuple[Claim, ...]:
        if update is None:
            return ()
        return tuple(
            self._tell.change(one, one.old, one.new) for one in update.changes if is_news(one.type)
        )

    def _advised(
        self, one: OwnerRecommendation, line: AccountLine, update: Update | None
    ) -> Advised:
        words = self._words
        account = RecordRef(type=RecordType.ACCOUNT, id=line.account_id, name=line.account_name)
        return Advised(
            title=one.title,
            tone=one.priority,
            rationale=Claim(
                self._tell.prose(one.rationale),
                self._tell.references(one.references, _cited(update), (account,)),
            ),
            facts=f"{words.term(one.confidence.level).capitalize()} confidence,"
            f" {words.count(one.estimated_effort_minutes, 'minute')} of work,"
            f" valid until {words.day(one.expires_at)}",
        )


def _cited(update: Update | None) -> Iterator[Evidence]:
    for one in () if update is None else update.changes:
        yield Evidence(
            record=one.record,
            field=one.field,
            before=one.old,
            after=one.new,
            value=one.new,
            at=one.at,
        )


def account_view(line: AccountLine, words: Words, beside: Surroundings) -> AccountView:
    """One line of a brief, without what the brief says of it elsewhere."""
    known = line.account_id in beside.values
    return AccountView(
        name=line.account_name,
        account_id=line.account_id,
        owner=None,
        risk=Gauge(
            "Risk",
            line.risk_level,
            words.term(line.risk_level),
            score_of(line.risk_score),
            Teller(words).risk_before(line.risk_score, line.previous_risk),
        ),
        health=Gauge(
            "Health",
            line.health_band,
            words.term(line.health_band),
            score_of(line.health_score),
            None,
        ),
        value=words.money(beside.values[line.account_id]) if known else None,
        decide=(),
        until=None,
        note=None,
        changes=(),
        unchanged="This account is reviewed for the first time."
        if line.first_review
        else "No updates.",
        why=None,
        advice=(),
    )


def said_of_changes(words: Words, news: int, first: int) -> str:
    """ "2 accounts with changes since the last review. For 1 account it is the first review." """
    said = [f"{words.count(news, 'account')} with changes since the last review."] if news else []
    if first:
        said.append(f"For {words.count(first, 'account')} it is the first review.")
    return " ".join(said) or "No updates since the last review."


def worth(value: Decimal | str | None, unknown: int, words: Words) -> str:
    """ ", worth £40,000 a year (1 unknown)"; nothing where nothing is known."""
    if value is None:
        return ""
    more = f" ({unknown} {UNKNOWN})" if unknown else ""
    return f", worth {words.money(value)} a year{more}"


def by_danger(
    lines: Iterable[AccountLine], values: Mapping[str, Decimal | None]
) -> list[AccountLine]:
    """High and critical risk first, the largest annual revenue leading; then by risk."""
    levels = ("critical", "high", "medium", "low", "none", "unknown")

    def place(line: AccountLine) -> tuple[bool, Decimal, int, int, str]:
        grave = line.risk_level in GRAVE
        value = values.get(line.account_id)
        return (
            not grave,
            -value if grave and value is not None else Decimal(1 if grave else 0),
            levels.index(line.risk_level),
            -(line.risk_score or 0),
            line.account_id,
        )

    return sorted(lines, key=place)
