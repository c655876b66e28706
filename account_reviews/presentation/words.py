"""Values as people write them: dates, money, names and states, for every page, mail and terminal.

Nothing else turns a value into words. JSON documents keep the values themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from babel import Locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.numbers import format_currency, format_decimal, format_percent

from account_reviews.domain.analysis.model import DetectedChange, OpenTask
from account_reviews.domain.base import Scalar
from account_reviews.domain.person_names import name_of
from account_reviews.domain.proposals import Action, same
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.dates_in_text import dated
from account_reviews.presentation.next_steps import next_step, waiting
from account_reviews.presentation.steps_after import NextStep
from account_reviews.presentation.story import reason_in_words
from account_reviews.presentation.terms import EMPTY, UNKNOWN, account_named, outcome_of, term_of

_HOURS_AFTER: Final = re.compile(r"(\d{1,6})h after it is written")
"""How documents write a due date that is counted from the write."""
_WORTH: Final = re.compile(r"(?<=\bworth )(\d[\d,]*(?:\.\d+)?)(?: ([A-Z]{3})\b)?")
_MONEY: Final = frozenset({"amount", "annual_revenue", "arr", "value", "revenue"})
_LABELS: Final = {"arr": "ARR", "at": "Date", "due_at": "Due", "owner_id": "Owner"}


class Change(Protocol):
    """What is told of a proposed change, also of one in a document."""

    @property
    def action(self) -> Action: ...

    @property
    def before(self) -> Mapping[str, Scalar]: ...

    @property
    def after(self) -> Mapping[str, Scalar]: ...

    @property
    def title(self) -> str: ...

    @property
    def due_in_seconds(self) -> int | None: ...


class Ended(Protocol):
    """A review, its state or its row, as far as its end is told."""

    @property
    def outcome(self) -> StrEnum | str | None: ...

    @property
    def plan_only(self) -> bool: ...


class Difference(NamedTuple):
    """A field that a change changes, as words. Both are None for what is not set."""

    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Words:
    """How one reader is written to.

    `currency`: ISO 4217, of amounts whose record does not name one; None writes the number alone.
    `labels`: field -> label, where the CRM or its mapping has another than ours. `people`: id ->
    name.
    """

    now: datetime
    zone: tzinfo = UTC
    locale: Locale = field(default_factory=lambda: Locale("en", "GB"))
    currency: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)

    # When.

    def day(self, at: datetime | date) -> str:
        """ "Fri 2 Oct"; of another year "Fri 2 Oct 2026"."""
        there = at.astimezone(self.zone).date() if isinstance(at, datetime) else at
        skeleton = "MMMEd" if there.year == self._today.year else "yMMMEd"
        shown = format_skeleton(skeleton, there, locale=self.locale)
        return shown.replace(",", "") if self.locale.language == "en" else shown

    def moment(self, at: datetime) -> str:
        """ "Fri 2 Oct, 14:05", in the reader's zone."""
        return f"{self.day(at)}, {self.clock(at)}"

    def when(self, at: datetime) -> str:
        """The same; a moment that stands for a day, as 00:00 UTC does, is that day in any zone."""
        there = at.astimezone(UTC)
        return self.day(there.date()) if there.time() == time.min else self.moment(at)

    def clock(self, at: datetime) -> str:
        """ "14:05", in the reader's zone."""
        there = at.astimezone(self.zone)
        return format_skeleton("Hm", there.replace(tzinfo=None), locale=self.locale)

    def prose(self, text: str) -> str:
        """A sentence that was written before anybody read it, with its dates and sums in words."""
        return _WORTH.sub(lambda it: self.money(it[1].replace(",", ""), it[2]), dated(text, self))

    def due(self, at: datetime | date) -> str:
        """ "Fri 2 Oct, in 3 days"; a day without a time is told from today."""
        return f"{self.day(at)}, {self.distance(at)}"

    def distance(self, at: datetime | date) -> str:
        """ "in 3 days", "2 hours ago"; "today" of a day."""
        if isinstance(at, datetime):
            return format_timedelta(at - self.now, add_direction=True, locale=self.locale)
        days = at - self._today
        return format_timedelta(days, add_direction=True, locale=self.locale) if days else "today"

    def span(self, length: timedelta | float) -> str:
        """ "3 days"; `length` in seconds where it is a number."""
        found = length if isinstance(length, timedelta) else timedelta(seconds=length)
        return format_timedelta(found, locale=self.locale)

    @property
    def _today(self) -> date:
        return self.now.astimezone(self.zone).date()

    # How much.

    def money(self, amount: Decimal | str | float | None, currency: str | None = None) -> str:
        """ "£120,000"; the number alone where no currency is known."""
        if amount is None:
            return UNKNOWN
        number, code = Decimal(str(amount)), currency or self.currency
        if code is None:
            return format_decimal(number, "#,##0.##", locale=self.locale)
        usual = self.locale.currency_formats["standard"].pattern
        whole = number == number.to_integral_value()
        shown = usual.replace(".00", "") if whole else usual
        return format_currency(
            number, code, format=shown, locale=self.locale, currency_digits=not whole
        )

    def priced(self, currency: str | None) -> "Words":
        """The same words for amounts in that currency; None: as before."""
        return replace(self, currency=currency) if currency else self

    def percent(self, share: float | None) -> str:
        """ "62%"."""
        return UNKNOWN if share is None else format_percent(share, locale=self.locale)

    def count(self, number: int, one: str, many: str | None = None) -> str:
        """ "1 change", "5 changes"."""
        said = format_decimal(number, locale=self.locale)
        return f"{said} {one}" if number == 1 else f"{said} {many or one + 's'}"

    # Who and what.

    def account(self, name: str | None, account_id: str) -> str:
        """ "Fjord Optics (ac-038)"."""
        return account_named(name, account_id)

    def person(self, who: str | None) -> str:
        """The name, where it is known, for an id and however it was typed."""
        return name_of(who, self.people) if who else "nobody"

    def reason(self, text: str | None) -> str:
        """Why a change stands as it does, as people say it."""
        return reason_in_words(text, self) if text else ""

    def waiting(self, request: ApprovalRequest) -> str:
        """ "5 changes wait for Tomas Brekke, until Fri 2 Oct, in 3 days"."""
        return waiting(request, self)

    def field(self, name: str) -> str:
        """ "Annual revenue"; a free field by its own name."""
        name = name.removeprefix("custom.")
        return self.labels.get(name) or _LABELS.get(name) or _sentence_case(name)

    def term(self, word: StrEnum | str | None) -> str:
        """A state, kind, level or outcome: "on demand", never `on_demand`."""
        return term_of(word)

    def outcome(self, review: Ended) -> str | None:
        """How a review ended: "planned" for one that was to change nothing. None: it is open."""
        return outcome_of(review.outcome, plan_only=review.plan_only)

    def next_step(
        self, review: ReviewState, short_ids: Mapping[str, str] | None = None
    ) -> NextStep:
        """What comes next for a review: a sentence, and the command. `short_ids`: request id ->
        `ac-038-1`."""
        return next_step(review, self, short_ids)

    def value(self, name: str, value: Scalar, *, currency: str | None = None) -> str:
        """What a field holds, by its name and type."""
        if value is None or value == "":
            return EMPTY
        if isinstance(value, bool):
            return "yes" if value else "no"
        if name in _MONEY:
            try:
                return self.money(str(value), currency)
            except InvalidOperation:
                return str(value)
        if name == "owner_id":
            return self.person(str(value))
        if isinstance(value, int | float):
            return format_decimal(value, locale=self.locale)
        return self._maybe_time(name, str(value))

    def _maybe_time(self, name: str, text: str) -> str:
        if name != "at" and not name.endswith(("_at", "_date", "_end", "date")):
            return text
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return text
        return (
            format_date(found.date(), "d MMM y", locale=self.locale)
            if len(text) == 10
            else (self.moment(found))
        )

    # Changes.

    def differences(self, change: Change) -> list[Difference]:
        """What a change changes; of what it creates each field that it sets."""
        after = change.after
        rows = []
        for name, new in after.items():
            old = change.before.get(name)
            if not change.action.creates and same(old, new):
                continue
            before = None if change.action.creates or old is None else self.value(name, old)
            rows.append(Difference(self.field(name), before, self._after(change, name, new)))
        return rows

    def change(self, change: Change) -> str:
        """A change as what it does: "New task for Tomas Brekke, due Fri 2 Oct: Call them"."""
        after = change.after
        if change.action is Action.CREATE_TASK:
            whose = f" for {self.person(str(after['owner_id']))}" if after.get("owner_id") else ""
            due = self._after(change, "due_at", after["due_at"]) if after.get("due_at") else None
            when = f", due {due}" if due else ""
            return f"New task{whose}{when}: {after.get('subject') or change.title}"
        if change.action is Action.ADD_NOTE:
            return f"New note: {after.get('title') or change.title}"
        told = "; ".join(
            f"{one.label}: {one.before or EMPTY} → {one.after or EMPTY}"
            for one in self.differences(change)
        )
        return f"{self._whose(change)}{told}" if told else change.title

    def proposed(self, change: Change, name: str) -> str:
        """What a change sets a field to: "1 day after it is written"."""
        return self._after(change, name, change.after.get(name))

    def told(self, change: DetectedChange) -> str:
        """What somebody changed since the last review: "Status: Active → At Risk"."""
        name = change.record.name or change.record.id or self.term(change.record.type)
        after = self.value(change.field, change.after)
        match change.type:
            case "new_account":
                return "The first review of this account"
            case "contact_added":
                return f"New contact: {name}"
            case "high_value_activity":
                when = f", {self.day(change.at)}" if change.at else ""
                return f"{after}: {name}{when}"
            case "inactivity_threshold":
                return f"No contact since {after}"
            case "deal_stalled":
                since = f" since {self.day(change.at)}" if change.at else ""
                return f"Deal {name} stands still in {after}{since}"
            case "deal_stage_change" if change.before is None:
                return f"New deal: {name}, {after}"
        before = self.value(change.field, change.before)
        return f"{self._whose(change)}{self.field(change.field)}: {before} → {after}"

    def moved(self, name: str, old: Scalar, new: Scalar) -> str:
        """ "Active → At Risk"; what was not set before is its new value alone."""
        now = self.value(name, new)
        return now if old is None or old == "" else f"{self.value(name, old)} → {now}"

    def open_task(self, task: OpenTask) -> str:
        """ "Call them: open, for Tomas Brekke, due Fri 2 Oct, in 3 days"."""
        whose = f", for {self.person(task.owner_id)}" if task.owner_id else ""
        due = f", due {self.due(task.due_at)}" if task.due_at else ""
        return f"{task.subject}: open{whose}{due}"

    def _whose(self, change: object) -> str:
        """ "Deal Big one, " before what is changed of another record than the account."""
        record = getattr(change, "record", None)
        if not isinstance(record, RecordRef) or record.type is RecordType.ACCOUNT:
            return ""
        kind = self.term(record.type).capitalize()
        return f"{kind} {record.name}, " if record.name else f"{kind}, "

    def _after(self, change: Change, name: str, value: Scalar) -> str:
        if name == "due_at" and change.due_in_seconds is not None:
            return f"{self.span(change.due_in_seconds)} after it is written"
        if name == "due_at" and (hours := _HOURS_AFTER.fullmatch(str(value))):
            return f"{self.span(int(hours[1]) * 3600)} after it is written"
        return self.value(name, value)


def _sentence_case(name: str) -> str:
    words = name.removesuffix("_id").removesuffix("_at").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
