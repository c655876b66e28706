"""Lists are written in the words of all other pages, though they are made without babel."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.policy.model import Policy
from account_reviews.presentation.quick_words import QuickWords, list_words
from account_reviews.presentation.words import Words

NOW = datetime(2026, 9, 30, 22, 30, tzinfo=UTC)
_DECADES = 27 * 365 * 86400
_MOMENTS = (st.integers(-_DECADES, _DECADES) | st.integers(-200_000, 200_000)).map(
    lambda seconds: NOW + timedelta(seconds=seconds)
)


@given(
    at=_MOMENTS,
    american=st.booleans(),
    zone=st.sampled_from([UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")]),
)
def test_the_same_words_as_everywhere(at: datetime, american: bool, zone: Any) -> None:
    quick = QuickWords(now=NOW, zone=zone, american=american, people={"ow-1": "Oren Salvat"})
    locale = Locale("en", "US" if american else "GB")
    words = Words(now=NOW, zone=zone, locale=locale, people={"ow-1": "Oren Salvat"})
    assert quick.day(at) == words.day(at)
    assert quick.day(at.date()) == words.day(at.date())
    assert quick.moment(at) == words.moment(at)
    assert quick.distance(at) == words.distance(at)
    assert quick.due(at) == words.due(at)
    assert quick.span(at - NOW) == words.span(at - NOW)
    for who in ("ow-1", "ann", None):
        assert quick.person(who) == words.person(who)


@pytest.mark.parametrize(
    ("locale", "lang", "shown"),
    [
        (None, "", "Fri 2 Oct"),
        (None, "C.UTF-8", "Fri 2 Oct"),
        (None, "en_US.UTF-8", "Fri Oct 2"),
        ("en-GB", "de_DE.UTF-8", "Fri 2 Oct"),
        (None, "de_AT.UTF-8", "Fr., 2. Okt."),
        ("fr_FR", "en_US.UTF-8", "ven. 2 oct."),
    ],
)
def test_readers_have_their_language(
    locale: str | None, lang: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_TIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", lang)
    settings: Any = SimpleNamespace(locale=locale, time_zone="UTC", crm_mapping=None)
    words = list_words(settings, Policy, now=NOW)
    assert words.day(datetime(2026, 10, 2, tzinfo=UTC)) == shown
