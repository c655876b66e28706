"""When a schedule runs, as people say it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from account_reviews.presentation.quick_words import QuickWords
from account_reviews.presentation.schedule_table import rhythm
from account_reviews.presentation.words import Words

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "words", [QuickWords(now=NOW, zone=BERLIN), Words(now=NOW, zone=BERLIN)], ids=["quick", "all"]
)
@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("every 240 minutes", "every 4 hours"),
        ("every 60 minutes", "every hour"),
        ("every 90 minutes", "every 90 minutes"),
        ("every 1 minutes", "every minute"),
        ("once at 2050-05-02T03:00:00Z", "once on Mon 2 May 2050, 05:00"),
        ("every second Monday at 05:00, as on 2026-11-23",
         "every second Monday at 05:00, as on Mon 23 Nov"),
        ("cron 0 7 * * MON-FRI", "Monday to Friday at 07:00"),
        ("cron 30 18 * * fri", "every Friday at 18:30"),
        ("cron 0 7 * * FOO", "cron 0 7 * * FOO"),
        ("cron */5 7 * * MON", "cron */5 7 * * MON"),
        ("every day at 06:30", "every day at 06:30"),
    ],
)  # fmt: skip
def test_a_rhythm_has_no_time_that_only_programs_read(words: Words, spec: str, told: str) -> None:
    assert rhythm(spec, words) == told


def test_once_is_told_in_the_zone_of_the_schedule() -> None:
    words = QuickWords(now=NOW, zone=BERLIN)
    told = rhythm("once at 2050-05-02T03:00:00Z", words, "America/New_York")
    assert told == "once on Sun 1 May 2050, 23:00"
    assert rhythm(None, words) is None
