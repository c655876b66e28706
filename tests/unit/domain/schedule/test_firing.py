"""Local times: cron fields, gaps, fortnights."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.domain.schedule.entry import ScheduleEntry, ScheduleKind, Weekday, occurs
from account_reviews.domain.schedule.firing import exists, fortnights, parse_cron, turns

ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"])
MOMENTS = st.integers(1_700_000_000, 2_050_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
DAYS = st.dates(date(2024, 1, 1), date(2034, 1, 1))


@pytest.mark.parametrize(
    ("text", "minutes", "hours", "weekdays"),
    [
        ("0 5 * * 1", {0}, {5}, {1}),
        ("*/20 5-7 * * mon-wed", {0, 20, 40}, {5, 6, 7}, {1, 2, 3}),
        ("5/25 */12 * * 0,7", {5, 30, 55}, {0, 12}, {0}),
        ("10-20/5,59 0 * * SUN", {10, 15, 20, 59}, {0}, {0}),
        ("0 0 * * 5-7", {0}, {0}, {0, 5, 6}),
    ],
)
def test_cron_fields(text: str, minutes: set[int], hours: set[int], weekdays: set[int]) -> None:
    found = parse_cron(text)
    assert [set(found.minutes), set(found.hours), set(found.weekdays)] == [minutes, hours, weekdays]


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
     "* * * * 8", "9-5 * * * *", "*/0 * * * *", "? * * * *", "* * L * *", "a * * * *", "1, * * * *",
     "-1 * * * *", "1- * * * *"],
)  # fmt: skip
def test_what_is_no_cron(text: str) -> None:
    with pytest.raises(ValueError, match=r"it has|the (minute|hour|day|month)"):
        parse_cron(text)


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert parse_cron(text).minutes


@given(zone=ZONES, at=MOMENTS)
def test_local_times_of_real_moments_exist(zone: str, at: datetime) -> None:
    assert exists(at.astimezone(ZoneInfo(zone)).replace(tzinfo=None), zone)


@given(zone=ZONES, since=MOMENTS)
def test_exactly_the_minutes_of_gaps_do_not_exist(zone: str, since: datetime) -> None:
    for turn in turns(zone, since, since + timedelta(days=400)):
        minutes = list(turn.minutes())
        assert minutes
        assert all(exists(minute, zone) == turn.twice for minute in minutes)
        assert exists(turn.start - timedelta(minutes=1), zone)
        assert exists(turn.end, zone)


@given(zone=ZONES, since=MOMENTS)
def test_exactly_the_minutes_of_double_hours_come_twice(zone: str, since: datetime) -> None:
    def come_twice(local: datetime) -> bool:
        first, second = (local.replace(tzinfo=ZoneInfo(zone), fold=fold) for fold in (0, 1))
        return exists(local, zone) and first.utcoffset() != second.utcoffset()

    for turn in turns(zone, since, since + timedelta(days=400)):
        assert all(come_twice(minute) == turn.twice for minute in turn.minutes())
        assert not come_twice(turn.start - timedelta(minutes=1))
        assert not come_twice(turn.end)


def test_turns_of_known_zones() -> None:
    since, until = datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    spring, autumn = turns("Europe/Berlin", since, until)
    assert f"{spring.start} {spring.end}" == "2027-03-28 02:00:00 2027-03-28 03:00:00"
    assert f"{autumn.start} {autumn.end}" == "2027-10-31 02:00:00 2027-10-31 03:00:00"
    assert (spring.twice, autumn.twice) == (False, True)
    assert {turn.end - turn.start for turn in turns("Australia/Lord_Howe", since, until)} == {
        timedelta(minutes=30)
    }
    assert turns("UTC", since, until) == []


@given(anchor=DAYS, since=DAYS, length=st.integers(0, 1200))
def test_fortnights(anchor: date, since: date, length: int) -> None:
    until = since + timedelta(days=length)
    found = fortnights(anchor, since, until)
    expected = [
        day
        for day in (since + timedelta(days=n) for n in range(length + 1))
        if day >= anchor and (day - anchor).days % 14 == 0
    ]
    assert found == expected


@given(zone=ZONES, at=MOMENTS)
def test_a_daily_time_occurs_when_the_clock_shows_it(zone: str, at: datetime) -> None:
    local = at.astimezone(ZoneInfo(zone))
    entry = ScheduleEntry(id="a", kind=ScheduleKind.DAILY, time_zone=zone, at=f"{local:%H:%M}")
    assert occurs(entry, at) == (local.second == 0)
    assert not occurs(entry, at + timedelta(minutes=1))


@given(minutes=st.integers(1, 5000), phase=st.integers(0, 59), n=st.integers(1, 10**5))
def test_an_interval_occurs_on_its_beat(minutes: int, phase: int, n: int) -> None:
    entry = ScheduleEntry(id="a", kind=ScheduleKind.INTERVAL, every_minutes=minutes)
    at = datetime.fromtimestamp(n * minutes * 60 + phase, UTC)
    assert occurs(entry, at, phase)
    assert not occurs(entry, at + timedelta(seconds=30), phase)


def test_the_other_week_is_not_a_biweekly_time() -> None:
    entry = ScheduleEntry(
        id="a",
        kind=ScheduleKind.BIWEEKLY,
        at="05:00",
        weekday=Weekday.MONDAY,
        anchor=date(2026, 11, 23),
    )
    assert occurs(entry, datetime(2026, 12, 7, 5, tzinfo=UTC))
    assert not occurs(entry, datetime(2026, 11, 30, 5, tzinfo=UTC))
    assert not occurs(entry, datetime(2026, 11, 9, 5, tzinfo=UTC))
