"""Values as people write them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from account_reviews.domain.analysis.model import DetectedChange, OpenTask
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.state import WrittenChange
from account_reviews.presentation.words import Words
from tests.support.crm import ACCOUNT, change
from tests.support.review_states import fresh

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


def test_a_change_of_another_record_names_it() -> None:
    deal = RecordRef(type=RecordType.DEAL, id="d-1", name="Big one", version="1")
    stage = change(Action.UPDATE_DEAL_STAGE, {"stage": "Stalled"}, deal)
    stage = stage.model_copy(update={"before": {"stage": "Proposal"}})
    assert WORDS.change(stage) == "Deal Big one, Stage: Proposal → Stalled"


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("status_change", {"field": "status", "before": "Active", "after": "At Risk"},
         "Status: Active → At Risk"),
        ("custom_field_modified", {"field": "custom.support_tier", "after": "gold"},
         "Support tier: empty → gold"),
        ("revenue_change", {"field": "annual_revenue", "before": "1000", "after": "2000.5"},
         "Annual revenue: £1,000 → £2,000.50"),
        ("owner_change", {"field": "owner_id", "before": None, "after": "ow-5"},
         "Owner: empty → Tomas Brekke"),
        ("new_account", {"field": "id", "after": "ac-1"}, "The first review of this account"),
        ("inactivity_threshold", {"field": "last_activity_at", "after": "2026-08-03T10:00:00Z"},
         "No contact since Mon 3 Aug, 10:00"),
    ],
)  # fmt: skip
def test_what_changed_is_one_line(kind: str, fields: dict[str, Any], said: str) -> None:
    found = DetectedChange(type=kind, record=ACCOUNT, **fields)
    assert WORDS.told(found) == said


def test_what_changed_of_a_deal_or_a_person() -> None:
    def told(kind: str, record: RecordType, **fields: Any) -> str:
        ref = RecordRef(type=record, id="x-1", name="Big one")
        return WORDS.told(DetectedChange(type=kind, record=ref, **fields))

    at = datetime(2026, 9, 1, tzinfo=UTC)
    moved = {"field": "stage", "before": "Proposal", "after": "Closed Lost"}
    assert told("deal_stage_change", RecordType.DEAL, **moved) == (
        "Deal Big one, Stage: Proposal → Closed Lost"
    )
    assert told("deal_stage_change", RecordType.DEAL, field="stage", after="Proposal") == (
        "New deal: Big one, Proposal"
    )
    assert told("deal_stalled", RecordType.DEAL, field="stage", after="Proposal", at=at) == (
        "Deal Big one stands still in Proposal since Tue 1 Sept"
    )
    assert told("contact_added", RecordType.CONTACT, field="id", after="x-1") == (
        "New contact: Big one"
    )
    assert told("high_value_activity", RecordType.ACTIVITY, field="type", after="Demo", at=at) == (
        "Demo: Big one, Tue 1 Sept"
    )


def test_an_open_task_is_named_with_its_due_date() -> None:
    record = RecordRef(type=RecordType.TASK, id="t-1", name="Call them")
    task = OpenTask(
        record=record, subject="Call them", change_id="c", owner_id="ow-5",
        due_at=NOW + timedelta(days=3),
    )  # fmt: skip
    assert WORDS.open_task(task) == ("Call them: open, for Tomas Brekke, due Fri 2 Oct, in 3 days")
    bare = task.model_copy(update={"owner_id": None, "due_at": None})
    assert WORDS.open_task(bare) == "Call them: open"


def test_a_day_is_told_from_today() -> None:
    late = Words(now=NOW.replace(hour=23))
    assert late.due(date(2026, 9, 29)) == "Tue 29 Sept, today"
    assert late.due(date(2026, 9, 30)) == "Wed 30 Sept, in 1 day"
    assert late.due(date(2026, 9, 22)) == "Tue 22 Sept, 1 week ago"


def test_amounts_stand_as_the_locale_has_them() -> None:
    german = Words(now=NOW, locale=Locale("de"), currency="EUR")
    assert german.money(120000) == "120.000\xa0€"
    assert german.money("12.5") == "12,50\xa0€"
    assert WORDS.priced("USD").money(5) == "US$5"
    assert WORDS.priced(None) is WORDS
    assert Words(now=NOW).money("1234.5") == "1,234.5"
    assert WORDS.money(None) == "unknown"


def test_a_due_date_that_is_counted_from_the_write_says_so() -> None:
    task = change(Action.CREATE_TASK, {"subject": "Call", "due_at": "2026-10-01T12:00:00Z"})
    for seconds, said in ((86_400, "1 day"), (172_800, "2 days"), (604_800, "1 week")):
        counted = task.model_copy(update={"due_in_seconds": seconds})
        assert WORDS.change(counted) == f"New task, due {said} after it is written: Call"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ends on 2026-10-09, in 1 day.", "ends on Fri 9 Oct, in 1 day."),
        ("seen 2026-10-09T14:05:00Z.", "seen Fri 9 Oct, 14:05."),
        ("[at: 2026-10-09 14:05 UTC]", "[at: Fri 9 Oct, 14:05]"),
        ("worth 150,000 a year", "worth £150,000 a year"),
        ("worth 45000.5 more", "worth £45,000.50 more"),
        ("worth 150000 EUR", "worth €150,000"),
        ("cycle/daily-2026-10-09T14:05:00Z runs", "cycle/daily-2026-10-09T14:05:00Z runs"),
        ("'2026-10-09' is typed", "'2026-10-09' is typed"),
        ("no day: 2026-13-45", "no day: 2026-13-45"),
    ],
)  # fmt: skip
def test_a_sentence_has_its_dates_and_sums_in_words(written: str, read: str) -> None:
    assert WORDS.prose(written) == read


def test_a_due_date_counted_from_the_write_is_a_date_once_it_is_written() -> None:
    """In every change that a review tells, and what was proposed stays what it was."""
    due = "2026-10-03T09:00:00Z"
    task = change(Action.CREATE_TASK, {"subject": "Call", "due_at": due})
    task = task.model_copy(update={"due_in_seconds": 86400})
    state = fresh("ac-1", at=NOW)
    assert WORDS.change(state.told(task)) == "New task, due 1 day after it is written: Call"
    written = {"due_at": "2026-10-02T09:00:00Z", "subject": "Call"}
    state.written[task.change_id] = WrittenChange(
        change_id=task.change_id,
        state=ItemState.EXECUTED,
        record=task.record,
        written=written,
        at=NOW,
    )
    assert WORDS.change(state.told(task)) == "New task, due Fri 2 Oct, 09:00: Call"
    assert WORDS.proposed(task, "due_at") == "1 day after it is written"
    chosen = task.model_copy(update={"due_in_seconds": None})
    assert WORDS.change(state.told(chosen)) == "New task, due Sat 3 Oct, 09:00: Call"


def test_a_day_that_somebody_named_is_that_day_in_every_zone() -> None:
    """`--as-of 2026-10-02` is 00:00 UTC."""
    for zone in ("Europe/Berlin", "America/New_York", "UTC"):
        words = Words(now=NOW, zone=ZoneInfo(zone))
        assert words.when(datetime(2026, 10, 2, tzinfo=UTC)) == "Fri 2 Oct"
    berlin = Words(now=NOW, zone=ZoneInfo("Europe/Berlin"))
    assert berlin.when(datetime(2026, 10, 2, 12, 5, tzinfo=UTC)) == "Fri 2 Oct, 14:05"
