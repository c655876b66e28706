"""When each kind runs, by the server's own answer, against a table that was written by hand.

In the double hour of the autumn a schedule runs once east of Greenwich, and twice west of it; what
was due in the hour before runs a second time in the east.

Berlin leaves summer time on 2027-10-31 and enters it on 2027-03-28, New York on 2027-11-07 and
2027-03-14.
"""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import Client

from account_reviews.domain.schedule.entry import occurs
from account_reviews.domain.schedule.firing import parse_cron
from account_reviews.temporal.schedules.entries import Builder
from tests.support.schedules import Place, entry, read

BERLIN = 'time_zone = "Europe/Berlin"'
NEW_YORK = 'time_zone = "America/New_York"'
EARLY = datetime(2026, 12, 1, tzinfo=UTC)

TABLE = [
    # daily
    (f'kind = "daily"\n{BERLIN}', "2027-03-27", "2027-03-30",
     ["03-27 04:00", "03-28 03:00", "03-29 03:00"]),
    (f'kind = "daily"\n{BERLIN}', "2027-10-30", "2027-11-02",
     ["10-30 03:00", "10-31 04:00", "11-01 04:00"]),
    (f'kind = "daily"\nat = "02:30"\n{BERLIN}', "2027-03-27", "2027-03-30",
     ["03-27 01:30", "03-29 00:30"]),  # the gap
    (f'kind = "daily"\nat = "02:30"\n{BERLIN}', "2027-10-30", "2027-11-02",
     ["10-30 00:30", "10-31 01:30", "11-01 01:30"]),  # the double hour: once, the second
    (f'kind = "daily"\nat = "02:30"\n{NEW_YORK}', "2027-03-13", "2027-03-16",
     ["03-13 07:30", "03-15 06:30"]),
    (f'kind = "daily"\nat = "01:30"\n{NEW_YORK}', "2027-11-06", "2027-11-09",
     ["11-06 05:30", "11-07 05:30", "11-07 06:30", "11-08 06:30"]),  # twice; plan warns
    # weekly
    (f'kind = "weekly"\n{NEW_YORK}', "2027-03-07", "2027-03-23",
     ["03-08 10:00", "03-15 09:00", "03-22 09:00"]),
    (f'kind = "weekly"\n{NEW_YORK}', "2027-10-30", "2027-11-10", ["11-01 09:00", "11-08 10:00"]),
    (f'kind = "weekly"\nweekday = "Sunday"\nat = "02:30"\n{BERLIN}', "2027-03-15", "2027-04-06",
     ["03-21 01:30", "04-04 00:30"]),
    ('kind = "weekly"\nweekday = "Saturday"\nat = "23:59"', "2026-12-25", "2027-01-10",
     ["2026-12-26 23:59", "01-02 23:59", "01-09 23:59"]),
    # biweekly
    (f'kind = "biweekly"\nanchor = 2027-03-01\n{BERLIN}', "2027-02-01", "2027-04-13",
     ["03-01 04:00", "03-15 04:00", "03-29 03:00", "04-12 03:00"]),
    (f'kind = "biweekly"\nanchor = 2027-03-01\n{NEW_YORK}', "2027-10-10", "2027-11-10",
     ["10-11 09:00", "10-25 09:00", "11-08 10:00"]),
    ('kind = "biweekly"\nweekday = "Friday"\nanchor = 2025-01-03', "2027-12-20", "2028-03-11",
     ["12-31 05:00", "2028-01-14 05:00", "2028-01-28 05:00", "2028-02-11 05:00",
      "2028-02-25 05:00", "2028-03-10 05:00"]),
    # monthly
    (f'kind = "monthly"\nday = 31\n{BERLIN}', "2027-01-01", "2027-07-01",
     ["01-31 04:00", "03-31 03:00", "05-31 03:00"]),
    ('kind = "monthly"\nday = 29', "2027-01-01", "2027-04-01", ["01-29 05:00", "03-29 05:00"]),
    ('kind = "monthly"\nday = 29', "2028-01-01", "2028-04-01",
     ["2028-01-29 05:00", "2028-02-29 05:00", "2028-03-29 05:00"]),
    (f'kind = "monthly"\n{NEW_YORK}', "2027-10-15", "2027-12-15", ["11-01 09:00", "12-01 10:00"]),
    # cron
    (f'kind = "cron"\ncron = "30 2 * * *"\n{BERLIN}', "2027-03-27", "2027-03-30",
     ["03-27 01:30", "03-29 00:30"]),
    (f'kind = "cron"\ncron = "30 1 * * SUN"\n{NEW_YORK}', "2027-11-01", "2027-11-15",
     ["11-07 05:30", "11-07 06:30", "11-14 06:30"]),
    ('kind = "cron"\ncron = "0 5 29 2 *"', "2027-01-01", "2029-01-01", ["2028-02-29 05:00"]),
    ('kind = "cron"\ncron = "0 5 1 * 1"', "2027-01-01", "2027-12-31",
     ["02-01 05:00", "03-01 05:00", "11-01 05:00"]),  # both day fields hold
    (f'kind = "cron"\ncron = "0 1-4 * * *"\n{BERLIN}', "2027-10-31", "2027-10-31 12:00",
     ["10-31 00:00", "10-31 02:00", "10-31 03:00"]),
    # interval: elapsed time, over the change of Berlin and New York alike
    ('kind = "interval"\nevery_minutes = 480', "2027-03-27", "2027-03-29",
     ["03-27 00:00", "03-27 08:00", "03-27 16:00", "03-28 00:00", "03-28 08:00", "03-28 16:00",
      "03-29 00:00"]),
    # one_time
    (f'kind = "one_time"\nrun_at = 2027-07-01T08:00:00\n{NEW_YORK}', "2027-01-01", "2028-12-31",
     ["07-01 12:00"]),
    (f'kind = "one_time"\nrun_at = 2027-10-31T02:30:00\n{BERLIN}', "2027-01-01", "2028-12-31",
     ["10-31 01:30"]),
    (f'kind = "one_time"\nrun_at = 2027-11-07T01:30:00\n{NEW_YORK}', "2027-01-01", "2028-12-31",
     ["11-07 06:30"]),
    (f'kind = "one_time"\nrun_at = 2027-10-31T02:30:00+02:00\n{BERLIN}', "2027-01-01",
     "2028-12-31", ["10-31 00:30"]),
    ('kind = "one_time"\nrun_at = 2028-02-29T23:59:59Z', "2027-01-01", "2028-12-31",
     ["2028-02-29 23:59:59"]),
]  # fmt: skip
"""Entry, from, to (00:00 UTC), times in UTC; without a year they are of 2027."""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text if text[:2] == "20" else f"2027-{text}").replace(tzinfo=UTC)


def stamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


async def times(
    client: Client, builder: Builder, text: str, start: datetime, end: datetime
) -> list[datetime]:
    """What the server answers for a paused schedule."""
    (one,) = read(entry(text)).entries
    made = builder.schedule(one, EARLY, phase=0)
    made.state.paused = True
    handle = await client.create_schedule(f"times-{uuid4().hex}", made)
    try:
        answer = await client.workflow_service.list_schedule_matching_times(
            ListScheduleMatchingTimesRequest(
                namespace=client.namespace,
                schedule_id=handle.id,
                start_time=stamp(start - timedelta(seconds=1)),
                end_time=stamp(end),
            )
        )
        return [one.ToDatetime(tzinfo=UTC) for one in answer.start_time]
    finally:
        await handle.delete()


@pytest.mark.parametrize(("text", "start", "end", "expected"), TABLE)
async def test_firing_times(
    place: Place, text: str, start: str, end: str, expected: list[str]
) -> None:
    found = await times(place.client, place.builder, text, moment(start), moment(end))
    assert found == [moment(one) for one in expected]
    (one,) = read(entry(text)).entries
    assert all(occurs(one, at) for at in found)
    assert not any(occurs(one, at + timedelta(seconds=90)) for at in found)


@pytest.mark.parametrize(
    "text",
    ["5/25 */12 * * 0,7", "0 9-17/4 * JAN-JUN mon-fri", "*/7 5 1,15 * *", "59 23 31 12 *",
     "10-20/5,59 0 * * SUN", "0 0 * * 5-7"],
)  # fmt: skip
async def test_cron_is_read_as_the_server_reads_it(place: Place, text: str) -> None:
    start, end = moment("2027-05-20"), moment("2028-01-20")
    lines = f'kind = "cron"\ncron = "{text}"'
    found = await times(place.client, place.builder, lines, start, end)
    calendar = parse_cron(text)
    minutes = range(int((end - start).total_seconds() // 60) + 1)
    ours = [at for at in (start + timedelta(minutes=n) for n in minutes) if calendar.matches(at)]
    assert found
    assert found == ours[: len(found)]
    assert len(found) == len(ours) or len(found) >= 1000


_EU = "2027-10-31, 2028-10-29, 2029-10-28"
_SPRING = "2027-03-28, 2028-03-26, 2029-03-25"
_NY = "2027-11-07, 2028-11-05, 2029-11-04"
_SYDNEY = "2027-04-04, 2028-04-02, 2029-04-01"
AUTUMN = [
    ("Europe/Berlin", "01:30", f"it runs twice at {{}} on {_EU}: at 02:30 again"),
    ("Europe/London", "00:30", f"it runs twice at {{}} on {_EU}: at 01:30 again"),
    ("Europe/Kyiv", "02:30", f"it runs twice at {{}} on {_EU}: at 03:30 again"),
    ("Australia/Sydney", "01:30", f"it runs twice at {{}} on {_SYDNEY}: at 02:30 again"),
    ("America/New_York", "01:30", f"there are two times {{}} on {_NY}: it runs at both"),
    ("Europe/Berlin", "02:30", f"there is no {{}} on {_SPRING}: nothing runs then"),
    ("America/New_York", "00:30", None),
    ("Europe/Berlin", "05:00", None),
]
"""Zone, local time, and the warning, in which {} is both."""


@pytest.mark.parametrize(("zone", "at", "warning"), AUTUMN)
async def test_plan_warns_of_what_the_server_runs_twice_or_not_at_all(
    place: Place, zone: str, at: str, warning: str | None
) -> None:
    place.now = EARLY
    lines = f'kind = "daily"\nat = "{at}"\ntime_zone = "{zone}"\njitter = "10m"'
    (planned,) = await place.plan(entry(lines))
    (applied,) = await place.apply(entry(lines))
    (again,) = await place.plan(entry(lines))
    expected = [warning.format(f"{at} in {zone}")] if warning else []
    assert planned.warnings == applied.warnings == again.warnings == expected
    (one,) = read(entry(lines)).entries
    plain = f'kind = "daily"\nat = "{at}"\ntime_zone = "{zone}"'
    end = moment("2028-01-01")
    for run in await times(place.client, place.builder, plain, moment("2027-01-01"), end):
        assert occurs(one, run), "none of them is a run by hand"
