"""What several requests ask for, in the order in which somebody should look at them."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from account_reviews.presentation.surroundings import Asked, decisions
from account_reviews.presentation.words import Words
from tests.support.build import AS_OF

WORDS = Words(now=AS_OF, zone=ZoneInfo("Europe/Berlin"))
NAMES = {"grave": "Grave Works", "calm": "Calm Works"}


def asked(account_id: str, **later: float) -> Asked:
    """Of an account, due that much after noon UTC."""
    return Asked(
        request_id=f"r-{account_id}",
        short_id=f"{account_id}-1",
        account_id=account_id,
        deadline=AS_OF + timedelta(**later),
        open_items=1,
    )


def order(*requests: Asked) -> list[str]:
    return [one.account_id for one in decisions(requests, WORDS, None, NAMES)]


def test_of_one_day_the_account_that_stands_first_comes_first() -> None:
    assert order(asked("calm", minutes=1), asked("grave", hours=2)) == ["grave", "calm"]
    assert order(asked("grave", days=1), asked("calm", hours=2)) == ["calm", "grave"]


def test_a_day_is_one_of_the_reader() -> None:
    """Noon UTC and 11 hours more is the next day in Berlin."""
    assert order(asked("grave", hours=11), asked("calm")) == ["calm", "grave"]
    here = replace(WORDS, zone=ZoneInfo("UTC"))
    found = decisions([asked("calm"), asked("grave", hours=11)], here, None, NAMES)
    assert [one.account_id for one in found] == ["grave", "calm"]


def test_what_is_not_named_comes_last_of_its_day() -> None:
    assert order(asked("other"), asked("calm", minutes=5)) == ["calm", "other"]
