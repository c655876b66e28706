"""Times, days and texts in the forms that HubSpot gives them."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.crm.hubspot.values import day, milliseconds, moment, title_of, to_html, to_text

AT = datetime(2026, 11, 20, 8, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "form",
    [
        "2026-11-20T08:30:15Z",
        "2026-11-20T08:30:15.000Z",
        "2026-11-20T08:30:15+00:00",
        "2026-11-20T09:30:15+01:00",
        "2026-11-20T03:30:15-0500",
        "1795163415000",
        1795163415000,
    ],
)
def test_three_forms_of_a_time_are_one_moment(form: object) -> None:
    assert moment(form) == AT


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_no_time(nothing: object) -> None:
    assert moment(nothing) is None
    assert day(nothing) is None


@pytest.mark.parametrize(
    "form", ["2026-11-20T08:30:15", "2026-11-20", "yesterday", "9" * 40, "-1e9"]
)
def test_a_time_without_a_zone_is_refused(form: str) -> None:
    with pytest.raises(ValueError, match=r"zone|Invalid|no time"):
        moment(form)


@pytest.mark.parametrize(
    "form", ["2026-11-20", "2026-11-20T00:00:00Z", "1795132800000", "2026-11-20T23:59:59.999Z"]
)
def test_a_day_comes_as_day_or_as_time(form: str) -> None:
    assert day(form) == date(2026, 11, 20)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2190, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  hypothesis adds the zone
def test_milliseconds_come_back(at: datetime) -> None:
    assert moment(str(milliseconds(at))) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(st.text(alphabet=st.characters(exclude_characters="\r")), st.none() | st.text(min_size=1))
def test_texts_come_back_as_they_were_written(text: str, title: str | None) -> None:
    found, rest = title_of(to_html(text, title=title))
    assert (found, to_text(rest)) == (title, text)


def test_markup_of_people_is_read_as_text() -> None:
    markup = '<div class="a"><p>Call &amp; <b>renew</b></p><p>مرحبا 👋</p></div>'
    assert to_text(markup).strip() == "Call & renew\nمرحبا 👋"
    assert to_text("a < b & c") == "a < b & c"
