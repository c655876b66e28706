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
        ("cron */5 7 * * MON", "every Monday, every 5 minutes from 07:00 to 07:55"),
        ("cron 0 5 * * *", "every day at 05:00"),
        ("cron 0 5,12,18 * * 1-5", "Monday to Friday at 05:00, 12:00 and 18:00"),
        ("cron 0 7 * * 1,4", "every Monday and Thursday at 07:00"),
        ("cron 0 7 * * 0,6", "every Saturday and Sunday at 07:00"),
        ("cron 0 7 1 * *", "on day 1 of the month at 07:00"),
        ("cron 0 7 1,15 * *", "on days 1 and 15 of the month at 07:00"),
        ("cron 0 7 1-7 * mon", "every Monday that is on days 1 to 7 of the month at 07:00"),
        ("cron 0 7 1 1,7 *", "on day 1 of the month at 07:00, in January and July"),
        ("cron 0 7 * 3-5 *", "every day at 07:00, in March to May"),
        ("cron */15 * * * *", "every 15 minutes"),
        ("cron * * * * *", "every minute"),
        ("cron 0 * * * *", "every hour"),
        ("cron 30 * * * *", "every hour from 00:30 on"),
        ("cron 0 */6 * * *", "every day at 00:00, 06:00, 12:00 and 18:00"),
        ("cron 0 */2 * * *", "every 2 hours"),
        ("cron 0 8-17 * * 1-5", "Monday to Friday, every hour from 08:00 to 17:00"),
        ("cron */30 8-17 * * 1-5", "Monday to Friday, every 30 minutes from 08:00 to 17:30"),
        ("cron 5,17,40 3,9 * * *", "every day at 5, 17 and 40 minutes past 03:00 and 09:00"),
        ("cron 61 * * * *", "cron 61 * * * *"),
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
