"""The schedule file: what it may say, and the sentence for each fault."""

from datetime import UTC, date, datetime, timedelta

import pytest

from account_reviews.domain.errors import ScheduleError
from account_reviews.domain.schedule.entry import (
    ScheduleEntry,
    ScheduleFile,
    ScheduleKind,
    Weekday,
    occurs,
    spec_of,
    warnings_of,
)
from account_reviews.domain.schedule.file import Known, parse_schedules
from account_reviews.domain.schedule.runs import UpkeepJob
from account_reviews.domain.schedule.turning import warnings_at, windows
from account_reviews.services.schedules import SHIPPED

KNOWN = Known(
    jobs=("retention", "reconcile"),
    cycles=("daily", "weekly", "on_demand"),
    grace=timedelta(seconds=90),
)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def parse(text: str, known: Known = KNOWN) -> ScheduleFile:
    return parse_schedules(text, source="s.toml", known=known)


def one(lines: str) -> ScheduleEntry:
    (entry,) = parse(f'[[schedule]]\nid = "a"\n{lines}').entries
    return entry


def refused(lines: str) -> str:
    with pytest.raises(ScheduleError) as error:
        one(lines)
    assert error.value.message.startswith("s.toml: schedule 'a': "), error.value.message
    assert "\n" not in error.value.message
    return error.value.message.removeprefix("s.toml: schedule 'a': ")


def test_defaults() -> None:
    daily, weekly = one('kind = "daily"'), one('kind = "weekly"')
    assert (daily.at, daily.time_zone, daily.cycle) == ("05:00", "UTC", "daily")
    assert (daily.priority, daily.overlap, daily.grace) == (3, "skip", timedelta(seconds=90))
    assert (daily.jitter, daily.retries, daily.paused, daily.job) == (timedelta(), 0, None, "cycle")
    assert (weekly.weekday, weekly.cycle) == (Weekday.MONDAY, "weekly")
    assert one('kind = "monthly"').day == 1
    assert one('kind = "daily"\naccounts = ["x"]').cycle == "on_demand"
    assert one('kind = "daily"\njob = "retention"').cycle is None


def test_times_in_every_spelling() -> None:
    assert one('kind = "daily"\nat = 06:30:00').at == "06:30"
    assert one('kind = "daily"\nat = "06:30"').at == "06:30"
    for spelled in ("2026-11-24", '"2026-11-24"'):
        entry = one(f'kind = "biweekly"\nweekday = "Tuesday"\nanchor = {spelled}')
        assert entry.anchor == date(2026, 11, 24)
    berlin = 'kind = "one_time"\ntime_zone = "Europe/Berlin"\nrun_at = '
    expected = datetime(2027, 7, 1, 6, tzinfo=UTC)
    for spelled in ("2027-07-01T08:00:00", '"2027-07-01T08:00:00+02:00"', "2027-07-01T06:00:00Z"):
        assert one(berlin + spelled).run_at == expected
    twice = one(berlin + "2027-10-31T02:30:00").run_at
    assert twice == datetime(2027, 10, 31, 1, 30, tzinfo=UTC), "the second of the double hour"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('kind = "weekly"\nweekday = 1', "weekday is 1, but must be a name, one of Monday, "),
        ('kind = "weekly"\nweekday = "moon"', "weekday is 'moon', but must be one of Monday, "),
        ('kind = "hourly"', "kind is 'hourly', but must be one of daily, weekly, biweekly, "),
        ('kind = "daily"\ntime_zone = "Berlin"', "time_zone is 'Berlin', but must be an IANA "),
        ('kind = "daily"\ntime_zone = 1', "time_zone is 1, but must be an IANA "),
        ('kind = "daily"\ntimezone = "UTC"', "timezone is not a key of a schedule; did you mean "),
        ('kind = "daily"\nzzz = 1', "zzz is not a key of a schedule; an entry has id, kind, "),
        ('kind = "daily"\nat = "5:00"', "at is '5:00', but must be a time of day from "),
        ('kind = "daily"\nat = 05:00:30', "at is 05:00:30, but must be a time of day from "),
        ('kind = "daily"\nday = 2', "day is 2, but must be left out for kind daily; it has "),
        ('kind = "monthly"\nday = 32', "day is 32, but must be a whole number from 1 to 31"),
        ('kind = "monthly"\nday = true', "day is true, but must be a whole number from 1 to 31"),
        ('kind = "cron"', "cron is missing for kind cron, but must be five fields "),
        ('kind = "interval"', "every_minutes is missing for kind interval, but must be a whole "),
        (
            'kind = "one_time"\nrun_at = "0001-01-01T00:00:00+14:00"',
            "run_at is '0001-01-01T00:00:00+14:00', but must be a time such as ",
        ),
        ('kind = "one_time"', "run_at is missing for kind one_time, but must be a time such as "),
        ('kind = "biweekly"', "anchor is missing for kind biweekly, but must be a day on which "),
        ('kind = "biweekly"\nanchor = 2026-11-24', "anchor is 2026-11-24, but must be a Monday"),
        ('kind = "cron"\ncron = "0 5 * *"', "cron is '0 5 * *', but must be five fields "),
        ('kind = "cron"\ncron = "@daily"', "cron is '@daily', but must be five fields "),
        ('kind = "cron"\ncron = "0 5 30 2 *"', "cron is '0 5 30 2 *', but must be five fields "),
        ('kind = "cron"\ncron = 5', "cron is 5, but must be five fields "),
        ('kind = "interval"\nevery_minutes = 0', "every_minutes is 0, but must be a whole number"),
        ('kind = "interval"\nevery_minutes = 9\ntime_zone = "UTC"', "time_zone is 'UTC', but must"),
        ('kind = "daily"\npriority = "high"', "priority is 'high', but must be a whole number "),
        ('kind = "daily"\noverlap = "all"', "overlap is 'all', but must be one of skip, buffer_"),
        ('kind = "daily"\ngrace = 300', "grace is 300, but must be a duration from 1s to 7d"),
        ('kind = "daily"\njitter = "2d"', "jitter is '2d', but must be a duration from 0s to 1d"),
        ('kind = "daily"\nretries = -1', "retries is -1, but must be a whole number from 0 to 10"),
        ('kind = "daily"\npaused = "no"', "paused is 'no', but must be true or false"),
        ('kind = "daily"\nowner = " "', "owner is ' ', but must be a text of 1 to 200 characters"),
        ('kind = "daily"\naccounts = []', "accounts is [], but must be a list of 1 to 1000 "),
        ('kind = "daily"\naccounts = ["x", "x"]', "accounts is ['x', 'x'], but must be a list "),
        ('kind = "daily"\njob = "sweep"', "job is 'sweep', but must be one of cycle, retention, "),
        ('kind = "daily"\ncycle = "x"', "cycle is 'x', but must be one of daily, weekly, on_dem"),
        ('kind = "daily"\njob = "retention"\nowner = "x"', "owner is 'x', but must be left out f"),
        (
            'kind = "one_time"\nrun_at = 2027-05-01T00:00:00Z\nend_at = 2027-04-01T00:00:00Z',
            "end_at is 2027-04-01T00:00:00+00:00, but must be after run_at, which is 2027-05-01",
        ),
        (
            'kind = "biweekly"\nanchor = 2027-05-03\nend_at = 2027-05-01T00:00:00Z',
            "end_at is 2027-05-01T00:00:00+00:00, but must be after the anchor, which is 2027-05",
        ),
        (
            'kind = "one_time"\ntime_zone = "Europe/Berlin"\nrun_at = 2027-03-28T02:30:00',
            "run_at is 2027-03-28T02:30:00, but must be a time that comes: Europe/Berlin has no ",
        ),
    ],
)
def test_a_fault_is_one_sentence(lines: str, sentence: str) -> None:
    assert refused(lines).startswith(sentence), refused(lines)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[[schedule", "s.toml is not valid TOML: "),
        ("schedule = 3", "s.toml: schedule must be a list of tables, each [[schedule]]"),
        ("schedules = 3", "s.toml: schedules is not a key; the file has name and schedule"),
        ('name = "a b"', "s.toml: name is 'a b', but must be a text of 1 to 100 letters"),
        ('[[schedule]]\nkind = "daily"', "s.toml: schedule number 1: id is missing, but must be "),
        ('[[schedule]]\nid = "a"', "s.toml: schedule 'a': kind is missing, but must be one of "),
        ('[[schedule]]\nid = "a/b"\nkind = "daily"', "s.toml: schedule 'a/b': id is 'a/b', but "),
        (
            '[[schedule]]\nid = "a"\nkind = "daily"\n' * 2,
            "s.toml: id is 'a' twice, but each schedule needs an id of its own",
        ),
    ],
)
def test_faults_of_the_whole_file(text: str, sentence: str) -> None:
    with pytest.raises(ScheduleError) as error:
        parse(text)
    assert error.value.message.startswith(sentence)


def test_a_policy_without_the_usual_cycle_is_said() -> None:
    with pytest.raises(ScheduleError, match="the policy has no cycle kind 'weekly'"):
        parse('[[schedule]]\nid = "a"\nkind = "cron"\ncron = "0 5 * * 1"', Known((), ("mine",)))


def test_the_name_of_a_file() -> None:
    assert parse("").name == "s"
    assert parse('name = "team-north"').name == "team-north"


def test_what_is_said_in_words() -> None:
    assert spec_of(one('kind = "daily"')) == "every day at 05:00"
    assert spec_of(one('kind = "weekly"\nweekday = "Friday"')) == "every Friday at 05:00"
    assert spec_of(one('kind = "interval"\nevery_minutes = 15')) == "every 15 minutes"
    entry = one('kind = "one_time"\nrun_at = 2027-05-01T00:00:00Z')
    assert spec_of(entry) == "once at 2027-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("lines", "days"),
    [
        ('kind = "daily"\nat = "02:30"', ["2027-03-28", "2028-03-26", "2029-03-25"]),
        ('kind = "daily"\nat = "03:00"', []),
        ('kind = "daily"\nat = "01:59"', []),
        ('kind = "weekly"\nweekday = "Sunday"\nat = "02:00"', ["2027-03-28"]),
        ('kind = "weekly"\nweekday = "Monday"\nat = "02:00"', []),
        ('kind = "cron"\ncron = "15 2 * 3 *"', ["2027-03-28"]),
        ('kind = "cron"\ncron = "*/15 * * * *"', []),
        (
            'kind = "biweekly"\nweekday = "Sunday"\nanchor = 2027-03-14\nat = "02:30"',
            ["2027-03-28"],
        ),
        (
            'kind = "biweekly"\nweekday = "Sunday"\nanchor = 2027-03-21\nat = "02:30"',
            [],
        ),
    ],
)
def test_the_spring_gap_is_warned_of(lines: str, days: list[str]) -> None:
    given = one(f'time_zone = "Europe/Berlin"\n{lines}')
    gaps = [window for window in windows(given, NOW) if window.since == window.until]
    said = " ".join(warnings_at(given, gaps, [() for _ in gaps]))
    assert all(day in said for day in days), said
    assert bool(said) == bool(days)


def test_words_are_taken_in_any_case() -> None:
    given = one('kind = "Weekly"\nweekday = "mONDAY"\noverlap = "BUFFER_ONE"\ncycle = "Daily"')
    assert (given.kind, given.weekday) == ("weekly", "Monday")
    assert (given.overlap, given.cycle) == ("buffer_one", "daily")
    assert one('kind = "daily"\njob = "Retention"').job == "retention"


@pytest.mark.parametrize(
    ("zone", "at", "first", "again"),
    [
        ("Europe/Berlin", "01:30", "2027-10-30T23:30Z", "2027-10-31T00:30Z"),
        ("Europe/London", "00:30", "2027-10-30T23:30Z", "2027-10-31T00:30Z"),
        ("Australia/Sydney", "01:30", "2027-04-03T14:30Z", "2027-04-03T15:30Z"),
        ("America/New_York", "01:30", "2027-11-07T05:30Z", "2027-11-07T06:30Z"),
    ],
)
def test_a_second_run_of_the_autumn_is_no_run_by_hand(
    zone: str, at: str, first: str, again: str
) -> None:
    given = one(f'kind = "daily"\nat = "{at}"\ntime_zone = "{zone}"')
    hour = timedelta(hours=1)
    for moment in map(datetime.fromisoformat, (first, again)):
        assert occurs(given, moment)
        assert not occurs(given, moment - timedelta(minutes=1))
        assert not occurs(given, moment + hour) or moment + hour == datetime.fromisoformat(again)


def test_only_the_hour_before_a_doubled_one_is_asked_about_as_well() -> None:
    """A day of the autumn that is like all others has no window."""
    berlin = 'kind = "daily"\ntime_zone = "Europe/Berlin"\nat = '
    assert windows(one(f'{berlin}"00:59"'), NOW) == []
    assert windows(one(f'{berlin}"03:00"'), NOW) == []
    assert len(windows(one(f'{berlin}"01:00"'), NOW)) == 3
    assert len(windows(one(f'{berlin}"02:30"'), NOW)) == 6, "and the gaps of spring"


def test_what_is_easily_taken_for_something_else_is_warned_of() -> None:
    assert "both" in " ".join(warnings_of(one('kind = "cron"\ncron = "0 5 13 * 5"'), NOW))
    assert "31" in " ".join(warnings_of(one('kind = "monthly"\nday = 31'), NOW))
    assert warnings_of(one('kind = "monthly"\nday = 28'), NOW) == []


def test_the_shipped_file_is_valid() -> None:
    known = Known(jobs=tuple(UpkeepJob), cycles=("daily", "weekly", "on_demand"))
    file = parse(SHIPPED.read_text(encoding="utf-8"), known)
    assert file.name == "schedules"
    weekly, *upkeep = file.entries
    assert (weekly.kind, weekly.job) == (ScheduleKind.WEEKLY, "cycle")
    assert {entry.job for entry in upkeep} == set(UpkeepJob)


@pytest.mark.parametrize(
    ("lines", "never"),
    [
        ('kind = "daily"\nat = "05:00"\nend_at = {in_an_hour}', True),
        ('kind = "daily"\nat = "05:00"\nend_at = {in_a_week}', False),
        ('kind = "monthly"\nday = {day_before}\nend_at = {in_a_week}', True),
        ('kind = "cron"\ncron = "0 5 29 2 *"\nend_at = {in_a_week}', True),
        ('kind = "cron"\ncron = "0 5 29 2 1"\nend_at = 9999-01-01T00:00:00Z', False),
        ('kind = "interval"\nevery_minutes = 90\nend_at = {in_an_hour}', True),
        ('kind = "interval"\nevery_minutes = 30\nend_at = {in_an_hour}', False),
        ('kind = "daily"\nat = "05:00"', False),
    ],
)
def test_an_end_before_the_first_time_is_warned_of(lines: str, never: bool) -> None:
    noon = NOW.replace(hour=12, minute=0)
    filled = lines.format(
        in_an_hour=f"{noon + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
        in_a_week=f"{noon + timedelta(days=7):%Y-%m-%dT%H:%M:%SZ}",
        day_before=(noon - timedelta(days=1)).day,
    )
    said = [one for one in warnings_of(one(filled), noon) if "never runs" in one]
    assert bool(said) == never


def test_a_first_day_beyond_all_dates_is_warned_of() -> None:
    far = 'kind = "biweekly"\nweekday = "Monday"\nanchor = 2040-01-02'
    assert warnings_of(one(far), NOW) == ["it does not run before 2040-01-02"]
    ended = far + "\nend_at = 2040-01-02T01:00:00Z"
    (said,) = warnings_of(one(ended), NOW)
    assert said.startswith("it never runs: its end 2040-01-02")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"x = {'[' * 5000}{']' * 5000}", "s.toml is nested too deeply"),
        (f"x = {'1' * 5000}", "s.toml is not valid TOML"),
    ],
)
def test_no_file_is_too_much_for_its_reader(text: str, why: str) -> None:
    with pytest.raises(ScheduleError, match=why):
        parse(text)
