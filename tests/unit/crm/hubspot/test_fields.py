"""Properties as records, and values as properties."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from account_reviews.crm.hubspot.client import Found
from account_reviews.crm.hubspot.fields import Fields
from account_reviews.domain.errors import CrmInvalidError, CrmUnreadableError
from account_reviews.domain.records import Account, Contact, Deal, DealStage, Note, RecordType, Task
from tests.support.hubspot import full_mapping, shipped_mapping

FIELDS = Fields(full_mapping())
DEAL = {"dealname": "Renewal", "dealstage": "contractsent", "amount": "1200.50"}


def record(kind: RecordType, fields: Any = FIELDS, **properties: Any) -> Any:
    found = Found("7", properties)
    return fields.record(fields.module(kind), found, "1")


def test_a_company_is_an_account() -> None:
    account: Account = record(
        RecordType.ACCOUNT, name="Čapek 👋 שלום", annualrevenue="12000.5", numberofemployees="41",
        industry="BANKING", createdate="2026-01-02T03:04:05Z", hs_lastmodifieddate="1795163415000",
        account_status="At Risk", renewal_date="2026-12-01", hubspot_owner_id="70",
    )  # fmt: skip
    assert (account.name, account.annual_revenue) == ("Čapek 👋 שלום", Decimal("12000.5"))
    assert account.modified_at == datetime(2026, 11, 20, 8, 30, 15, tzinfo=UTC)
    assert (account.status, account.owner_id, account.employees) == ("At Risk", "70", 41)


def test_what_hubspot_does_not_say_is_unknown() -> None:
    account: Account = record(RecordType.ACCOUNT, name=None, domain="acme.example")
    assert (account.name, account.phone, account.annual_revenue) == ("acme.example", None, None)
    assert record(RecordType.ACCOUNT).name == "7"
    assert record(RecordType.TASK).subject == "(no subject)"
    assert record(RecordType.NOTE).content == ""


def test_a_value_that_makes_no_sense_is_unknown() -> None:
    account: Account = record(
        RecordType.ACCOUNT, name="A", annualrevenue="a lot", createdate="2026-01-02T03:04:05",
        account_status="Sleepy", renewal_date="soon",
    )  # fmt: skip
    unknown = (account.annual_revenue, account.status, account.renewal_date)
    assert unknown == (None, None, None)


@pytest.mark.parametrize(
    ("properties", "stage"),
    [
        ({"dealstage": "contractsent"}, DealStage.NEGOTIATION),
        ({"dealstage": "9912", "hs_is_closed": "true"}, DealStage.CLOSED_LOST),
        (
            {"dealstage": "9912", "hs_is_closed": "true", "hs_is_closed_won": "true"},
            DealStage.CLOSED_WON,
        ),
    ],
)
def test_a_stage_is_translated_or_its_end_is_known(
    properties: dict[str, str], stage: DealStage
) -> None:
    deal: Deal = record(RecordType.DEAL, **{**DEAL, **properties})
    assert deal.stage is stage


def test_stages_of_other_pipelines_go_by_their_labels() -> None:
    fields = Fields(full_mapping(), stages={"9912": "Negotiation", "9913": "Chat"})
    assert record(RecordType.DEAL, fields, **{**DEAL, "dealstage": "9912"}).stage == "Negotiation"
    assert FIELDS.unknown_stages({"dealstage": "9912"})
    assert not fields.unknown_stages({"dealstage": "9912"})
    with pytest.raises(CrmUnreadableError, match="the deal '7' of HubSpot cannot be read: stage"):
        record(RecordType.DEAL, fields, **{**DEAL, "dealstage": "9913"})


def test_a_probability_is_of_a_hundred() -> None:
    deal: Deal = record(RecordType.DEAL, **DEAL, hs_deal_stage_probability="0.9")
    assert deal.probability == 90


def test_histories_are_read_oldest_first() -> None:
    steps = [
        {"value": "contractsent", "timestamp": "2026-03-01T00:00:00Z"},
        {"value": "unheard of", "timestamp": "2026-02-01T00:00:00Z"},
        {"value": "qualifiedtobuy", "timestamp": "1767225600000"},
        {"value": "closedlost", "timestamp": "some day"},
    ]
    found = Found("7", DEAL, None, {"dealstage": steps})
    history = FIELDS.stage_history(FIELDS.module(RecordType.DEAL), found)
    assert [step.stage for step in history] == [DealStage.QUALIFICATION, DealStage.NEGOTIATION]


@pytest.mark.parametrize(
    ("text", "title"), [("All is well\nRenewal & <b>more</b>", "Review 👋"), ("مرحبا", None)]
)
def test_a_note_comes_back_as_it_was_written(text: str, title: str | None) -> None:
    module = FIELDS.module(RecordType.NOTE)
    sent = FIELDS.properties(module, {"title": title, "content": text}, mark="run:1")
    assert set(sent) == {"hs_note_body"}
    note: Note = record(RecordType.NOTE, **sent)
    assert (note.title, note.content) == (title, text)
    assert "[operation " in sent["hs_note_body"]


def test_the_highest_priority_stands_in_the_subject() -> None:
    """HubSpot's own highest is HIGH."""
    module = FIELDS.module(RecordType.TASK)
    sent = FIELDS.properties(module, {"subject": "Call them", "priority": "critical"})
    assert (sent["hs_task_priority"], sent["hs_task_subject"]) == ("HIGH", "[Critical] Call them")
    task: Task = record(RecordType.TASK, **sent)
    assert (task.subject, task.priority) == ("Call them", "critical")
    high = FIELDS.properties(module, {"subject": "Call them", "priority": "high"})
    assert record(RecordType.TASK, **high).priority == "high"


def test_values_travel_as_hubspot_takes_them() -> None:
    module = FIELDS.module(RecordType.ACCOUNT)
    values = {"annual_revenue": Decimal("12000.50"), "phone": None, "renewal_date": None}
    sent = FIELDS.properties(module, values)
    assert sent == {"annualrevenue": "12000.5", "phone": "", "renewal_date": ""}
    due = {"subject": "x", "due_at": datetime(2026, 11, 20, 8, tzinfo=UTC)}
    task = FIELDS.properties(FIELDS.module(RecordType.TASK), due)
    assert task["hs_timestamp"] == "2026-11-20T08:00:00.000Z"


def test_only_what_the_mapping_allows_is_written() -> None:
    shipped = Fields(shipped_mapping())
    module = shipped.module(RecordType.ACCOUNT)
    with pytest.raises(CrmInvalidError, match="status of account cannot be written") as caught:
        shipped.properties(module, {"status": "Active"})
    assert caught.value.field == "status"
    with pytest.raises(CrmInvalidError, match="no field 'colour'"):
        shipped.shown(module, {}, ("colour",))


def test_a_version_follows_people_and_not_what_is_counted() -> None:
    module = FIELDS.module(RecordType.ACCOUNT)
    base = {"name": "A", "phone": "1", "hs_lastmodifieddate": "x", "notes_last_updated": "y"}
    counted = {**base, "hs_lastmodifieddate": "z", "notes_last_updated": "z", "createdate": "z"}
    version = FIELDS.version(module, base)
    assert FIELDS.version(module, counted) == version
    assert FIELDS.version(module, {**base, "city": None}) == version
    assert FIELDS.version(module, {**base, "phone": "2"}) != version


def test_a_contact_has_a_name_in_any_case() -> None:
    contact: Contact = record(RecordType.CONTACT, firstname="Ada", hs_seniority="vp")
    assert (contact.name, contact.level) == ("Ada", "VP")
    assert record(RecordType.CONTACT, email="a@b.example").name == "a@b.example"
    assert record(RecordType.CONTACT, hs_seniority="entry").level is None
