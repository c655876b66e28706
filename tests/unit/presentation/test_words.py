"""Values as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from babel import Locale

from account_reviews.domain.proposals import Action
from account_reviews.presentation.words import Words
from tests.support.crm import ACCOUNT, change

NOW = datetime(2026, 9, 29, 12, tzinfo=UTC)
WORDS = Words(now=NOW, currency="GBP", people={"ow-5": "Tomas Brekke"})


def test_times_are_those_of_the_reader() -> None:
    at = datetime(2026, 10, 2, 12, tzinfo=UTC)
    assert WORDS.due(at) == "Fri 2 Oct, in 3 days"
    assert WORDS.moment(at + timedelta(days=90)) == "Thu 31 Dec, 12:00"
    german = Words(now=NOW, locale=Locale("de"))
    assert german.due(at) == "Fr., 2. Okt., in 3 Tagen"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("annual_revenue", "120000", "£120,000"),
        ("annual_revenue", "12.5", "£12.50"),
        ("owner_id", "ow-5", "Tomas Brekke"),
        ("phone", None, "empty"),
        ("renewal_date", "2026-10-02", "2 Oct 2026"),
        ("employees", 1200, "1,200"),
    ],
)
def test_a_field_is_written_by_what_it_is(name: str, value: str | int | None, said: str) -> None:
    assert WORDS.value(name, value) == said


def test_a_change_is_told_as_what_it_does() -> None:
    task = change(
        Action.CREATE_TASK,
        {"subject": "Call the customer", "owner_id": "ow-5", "due_at": "2026-10-02T09:00:00Z"},
    )
    moved = change(Action.UPDATE_ACCOUNT, {"status": "At Risk"}, ACCOUNT)
    moved = moved.model_copy(update={"before": {"status": "Active"}})
    assert WORDS.change(task) == (
        "New task for Tomas Brekke, due Fri 2 Oct, 09:00: Call the customer"
    )
    assert WORDS.change(moved) == "Status: Active → At Risk"
