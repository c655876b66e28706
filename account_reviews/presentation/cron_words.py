"""Five cron fields as people say them: "Monday to Friday at 07:00". Pure.

Day of month and day of week must both hold, as the server reads them.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import product
from typing import Final

from account_reviews.domain.schedule.firing import Calendar, parse_cron

_WEEKDAYS: Final = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_MOST_TIMES: Final = 4
"""Times of a day that are told one by one."""


def cron_words(fields: str) -> str | None:
    """The sentence; None for what is no cron."""
    try:
        calendar = parse_cron(fields)
    except ValueError:
        return None
    days, times = _days(calendar), _times(calendar)
    joint = " " if times.startswith("at ") else ", "
    if not days:
        told = f"every day {times}" if times.startswith("at ") else times
    else:
        told = f"{days}{joint}{times}"
    return told + _months(calendar)


def _days(calendar: Calendar) -> str:
    """Empty where it is every day."""
    weekdays = sorted((day - 1) % 7 for day in calendar.weekdays)
    dates = sorted(calendar.days)
    some_dates = f"{'day' if len(dates) == 1 else 'days'} {_listed(dates, str)} of the month"
    if len(weekdays) == 7:
        return "" if len(dates) == 31 else f"on {some_dates}"
    named = _listed(weekdays, _WEEKDAYS.__getitem__)
    told = named if " to " in named else f"every {named}"
    return told if len(dates) == 31 else f"{told} that is on {some_dates}"


def _months(calendar: Calendar) -> str:
    if len(calendar.months) == 12:
        return ""
    return f", in {_listed(sorted(calendar.months), lambda month: _MONTHS[month - 1])}"


def _times(calendar: Calendar) -> str:
    hours, minutes = sorted(calendar.hours), sorted(calendar.minutes)
    clock = [f"{hour:02}:{minute:02}" for hour, minute in product(hours, minutes)]
    if len(clock) <= _MOST_TIMES:
        return f"at {_joined(clock)}"
    step, hourly = _step(minutes, 60), _step(hours, 24)
    if len(minutes) == 1 and hourly:
        often = "every hour" if hourly == 1 else f"every {hourly} hours"
        return often if clock[0] == "00:00" else f"{often} from {clock[0]} on"
    in_a_row = hours == list(range(hours[0], hours[-1] + 1))
    if step and in_a_row:
        often = {60: "every hour", 1: "every minute"}.get(step, f"every {step} minutes")
        return often if len(hours) == 24 else f"{often} from {clock[0]} to {clock[-1]}"
    past = f"at {_listed(minutes, str)} {'minute' if minutes == [1] else 'minutes'} past"
    return f"{past} {'every hour' if len(hours) == 24 else _listed(hours, _hour)}"


def _hour(hour: int) -> str:
    return f"{hour:02}:00"


def _step(values: Sequence[int], whole: int) -> int | None:
    """How far apart they are where they fill a whole evenly."""
    step = whole // len(values)
    first = values[0]
    return step if first < step and list(values) == list(range(first, whole, step)) else None


def _listed(values: Sequence[int], name: Callable[[int], str]) -> str:
    """ "Monday to Friday", "1 and 15"."""
    if len(values) > 2 and values[-1] - values[0] == len(values) - 1:
        return f"{name(values[0])} to {name(values[-1])}"
    return _joined([name(one) for one in values])


def _joined(names: Collection[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
