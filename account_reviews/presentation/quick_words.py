"""The words of lists. In English they are made here, as `Words` makes them, without babel.

Loading babel takes longer than reading a list. Readers of other languages get `Words` itself.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from account_reviews.config.reader import locale_names
from account_reviews.domain.person_names import name_of
from account_reviews.presentation.terms import account_named, term_of
from account_reviews.presentation.zones import reader_zone

if TYPE_CHECKING:
    from typing import TypeAlias

    from account_reviews.config.settings import Settings
    from account_reviews.domain.policy.model import Policy
    from account_reviews.presentation.words import Words

    ListWords: TypeAlias = "QuickWords | Words"

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip
_SEPTEMBER: Final = 9
_UNITS: Final = (
    ("year", 365 * 86400), ("month", 30 * 86400), ("week", 7 * 86400), ("day", 86400),
    ("hour", 3600), ("minute", 60), ("second", 1),
)  # fmt: skip
_THRESHOLD: Final = 0.85
"""Of a unit, from which on it is told in that unit, as babel has it."""


class QuickWords(NamedTuple):
    """What `Words` has for lists, in British English, in American with `american`."""

    now: datetime
    zone: tzinfo = UTC
    american: bool = False
    people: Mapping[str, str] = {}

    def day(self, at: datetime | date) -> str:
        """ "Fri 2 Oct"; of another year "Fri 2 Oct 2026"."""
        there = at.astimezone(self.zone).date() if isinstance(at, datetime) else at
        month = _MONTHS[there.month - 1]
        if there.month == _SEPTEMBER and not self.american:
            month = "Sept"
        shown = f"{month} {there.day}" if self.american else f"{there.day} {month}"
        year = there.year != self.now.astimezone(self.zone).year
        return f"{_DAYS[there.weekday()]} {shown}" + (f" {there.year}" if year else "")

    def moment(self, at: datetime) -> str:
        """ "Fri 2 Oct, 14:05", in the reader's zone."""
        return f"{self.day(at)}, {self.clock(at)}"

    def clock(self, at: datetime) -> str:
        """ "14:05", in the reader's zone."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def due(self, at: datetime) -> str:
        """ "Fri 2 Oct, in 3 days"."""
        return f"{self.day(at)}, {self.distance(at)}"

    def distance(self, at: datetime) -> str:
        """ "in 3 days", "2 hours ago"."""
        seconds = _seconds(at - self.now)
        return f"in {self.span(seconds)}" if seconds >= 0 else f"{self.span(-seconds)} ago"

    def span(self, length: timedelta | float) -> str:
        """ "3 days"; `length` in seconds where it is a number."""
        found = length if isinstance(length, timedelta) else timedelta(seconds=length)
        seconds = abs(_seconds(found))
        for unit, size in _UNITS:
            number = seconds / size
            if number >= _THRESHOLD or size == 1:
                count = round(max(1, number)) if size == 1 and number > 0 else round(number)
                return f"{count:,} {unit}{'' if count == 1 else 's'}"
        raise AssertionError(length)

    def account(self, name: str | None, account_id: str) -> str:
        """ "Fjord Optics (ac-038)"."""
        return account_named(name, account_id)

    def person(self, who: str | None) -> str:
        """The name, where it is known, for an id and however it was typed."""
        return name_of(who, self.people) if who else "nobody"

    def term(self, word: StrEnum | str | None) -> str:
        """A state, kind, level or outcome: "on demand", never `on_demand`."""
        return term_of(word)


def list_words(
    settings: "Settings",
    policy: "Callable[[], Policy]",
    *,
    people: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> "ListWords":
    """Words for the reader of a list. `policy` is asked only where babel is needed.

    `people`: id -> name. BadInputError where REVIEWS_LOCALE is no locale.
    """
    at, name = now or datetime.now(UTC), next(_locales(settings), "en_GB")
    if name in ("en", "en_US", "en_GB"):
        zone = reader_zone(settings)
        return QuickWords(now=at, zone=zone, american=name != "en_GB", people=people or {})
    from account_reviews.presentation.readers import reader_words

    return reader_words(settings, policy(), now=at, people=people)


def own_words() -> "ListWords":
    """Those of whoever reads on this machine, where nothing but the settings is at hand."""
    from account_reviews.config.settings import Settings

    settings = Settings.load()
    return list_words(settings, settings.policy)


def _locales(settings: "Settings") -> Iterator[str]:
    if settings.locale is not None:
        yield settings.locale.partition(".")[0].replace("-", "_")
    yield from locale_names()


def _seconds(length: timedelta) -> int:
    """Whole ones, as babel counts them."""
    return length.days * 86400 + length.seconds
