"""Writing to Zoho CRM: what is sent, and what its answers mean."""

from typing import Any

import pytest

from account_reviews.crm.field_mapping import parse_field_mapping
from account_reviews.crm.field_values import mark_of
from account_reviews.crm.protocol import Wanted
from account_reviews.domain.errors import (
    CrmInvalidError,
    CrmNeedsPersonError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType
from tests.support.crm import change
from tests.support.zoho_crm import stage
from tests.support.zoho_writing import (
    OPERATION,
    account_of,
    apply,
    begun,
    capture,
    fault,
    note,
    phone,
    plan_of,
    task,
)


async def test_a_change_is_sent_under_the_condition_that_nothing_came_after() -> None:
    """The body asserts it: the fields, no automation, the time that was read."""
    on = stage()
    made, version = await phone(on)
    sent = capture(on)
    done = await apply(on, made, version)
    assert done.status == "applied"
    ((path, headers, body),) = sent
    assert path == f"/crm/v8/Accounts/{account_of(on)}"
    assert body == {"data": [{"Phone": "+99 2"}], "trigger": []}
    assert headers["x-operation-id"] == OPERATION
    read = headers["if-unmodified-since"]
    assert version.startswith("2026-") or read
    row = on.org.find("Accounts", account_of(on))
    assert row.values["Phone"] == "+99 2"


async def test_a_task_carries_its_operation_in_the_unique_field() -> None:
    """Where the CRM looks for it: contract of the request body."""
    on = stage()
    sent = capture(on)
    done = await apply(on, task(on, priority="high", owner_id=on.org.api_user))
    ((path, _, body),) = sent
    assert path == "/crm/v8/Tasks"
    assert body == {
        "data": [
            {
                "Subject": "Call", "Due_Date": "2026-12-03", "Priority": "High",
                "Owner": {"id": on.org.api_user}, "What_Id": {"id": account_of(on)},
                "$se_module": "Accounts", "Review_Operation_Id": OPERATION,
            }
        ],
        "trigger": [],
    }  # fmt: skip
    assert done.record.id == next(
        row.id for row in on.org.rows["Tasks"].values() if row.values["Subject"] == "Call"
    )
    assert done.current["due_at"] == "2026-12-03T00:00:00Z"
    again = await apply(on, task(on, priority="high", owner_id=on.org.api_user))
    assert (again.status, again.record.id) == ("already_applied", done.record.id)


async def test_a_note_carries_it_in_its_last_line_and_nobody_reads_it() -> None:
    on = stage()
    sent = capture(on)
    done = await apply(on, note(on, "First\nsecond"))
    record = sent[0][2]["data"][0]
    assert record["Note_Content"] == f"First\nsecond\n\n[operation {mark_of(OPERATION)}]"
    assert record["Parent_Id"] == {"id": account_of(on), "module": {"api_name": "Accounts"}}
    (shown,) = await on.crm.read_back((Wanted(record=done.record, fields=("content",)),))
    assert shown == {"content": "First\nsecond"}


async def test_a_task_without_the_unique_field_carries_it_in_its_description() -> None:
    """The org does not have the field: it is found among the account's tasks."""
    on = stage()
    on.org.drop_field("Tasks", "Review_Operation_Id")
    done = await apply(on, task(on))
    row = on.org.find("Tasks", done.record.id)
    assert row.values["Description"] == f"[operation {mark_of(OPERATION)}]"
    row.values["Status"] = "Completed"
    found = await on.crm.find_operations((begun(on, task(on)),))
    assert found[OPERATION].record.id == done.record.id
    assert found[OPERATION].current == done.current


async def test_somebody_elses_edit_in_between_is_a_conflict() -> None:
    """Between our reading and our write: 412, and nothing was written."""
    on = stage(fault("edit", "PUT"))
    made, version = await phone(on)
    found = await apply(on, made, version)
    assert found.status == "conflict"
    assert found.record.version != version
    assert on.org.find("Accounts", account_of(on)).values["Phone"] != "+99 2"


async def test_a_version_counts_once_nothing_can_come_under_it() -> None:
    """Times have whole seconds: a record of this second is read again before it is written."""
    on = stage()
    account = on.org.find("Accounts", account_of(on))
    on.org.update(account, {"Phone": "+99 8"}, on.clock.now())
    made, version = await phone(on)
    assert on.clock.slept == 0
    assert (await apply(on, made, version)).status == "applied"
    assert 0 < on.clock.slept < 3


async def test_two_edits_within_one_second_are_told_apart() -> None:
    """The second stands under the same time; what was approved is not what is there."""
    on = stage()
    account = on.org.find("Accounts", account_of(on))
    on.org.update(account, {"Phone": "+99 8"}, on.clock.now())
    made, version = await phone(on)
    on.org.update(account, {"Website": "https://other.example"}, on.clock.now())
    found = await apply(on, made, version)
    assert found.status == "conflict"
    assert account.values["Phone"] == "+99 8"


@pytest.mark.parametrize("action", ["drop_before", "malformed"])
async def test_a_reading_before_the_write_that_fails_has_written_nothing(action: str) -> None:
    """It says so, and is tried again."""
    on = stage()
    made, version = await phone(on)
    on.app.faults.set_plan(plan_of(fault(action, "GET")))
    with pytest.raises(CrmUnavailableError) as caught:
        await apply(on, made, version)
    assert not caught.value.sent
    assert caught.value.retryable
    assert (await apply(on, made, version)).status == "applied"


async def test_an_answer_to_a_write_that_makes_no_sense_says_nothing() -> None:
    """It was written, and is found."""
    on = stage()
    made, version = await phone(on)
    on.app.faults.set_plan(plan_of(fault("malformed", "PUT")))
    with pytest.raises(CrmUnavailableError):
        await apply(on, made, version)
    found = await on.crm.find_operations((begun(on, made, version),))
    assert found[OPERATION].current == {"phone": "+99 2"}


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("RECORD_LOCKED", "the record is locked"),
        ("RECORD_IN_BLUEPRINT", "in a blueprint"),
        ("NOT_APPROVED", "waits for an approval"),
    ],
)
async def test_what_needs_a_person_is_not_tried_again(code: str, said: str) -> None:
    on = stage()
    made, version = await phone(on)
    on.org.find("Accounts", account_of(on)).locked = code
    with pytest.raises(CrmNeedsPersonError, match=said) as caught:
        await apply(on, made, version)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, CrmOutcomeUnknownError),
        ({"data": []}, CrmOutcomeUnknownError),
        ({"data": [{}]}, CrmOutcomeUnknownError),
        ({"data": [{"status": "success", "code": "SUCCESS"}]}, CrmOutcomeUnknownError),
        ({"data": [{"status": "error", "code": "INTERNAL_ERROR"}]}, CrmUnavailableError),
        ({"data": [{"status": "error", "code": "TOO_MANY_REQUESTS"}]}, CrmRateLimitedError),
        ({"data": [{"status": "error", "code": "NO_PERMISSION"}]}, CrmPermissionError),
        (
            {
                "data": [
                    {
                        "status": "error", "code": "INVALID_DATA",
                        "details": {"api_name": "Phone", "maximum_length": 30},
                    }
                ]
            },
            CrmInvalidError,
        ),
        ({"status": "error", "code": "INVALID_DATA", "details": {}}, CrmInvalidError),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 202, 207])
async def test_each_element_is_looked_at_whatever_the_status(
    status: int, body: dict[str, Any], error: Any
) -> None:
    """A success may hold an error; one without a result for the record is unknown."""
    on = stage(fault("status", "PUT", status=status, body=body))
    made, version = await phone(on)
    with pytest.raises(error) as caught:
        await apply(on, made, version)
    if isinstance(caught.value, CrmInvalidError):
        assert caught.value.field in ("phone", "record")


async def test_a_refused_word_names_our_field_and_the_words_there_are() -> None:
    on = stage()
    account = account_of(on)
    deal = next(on.org.children("Deals", "Account_Name", account))
    field = on.org.fields["Deals"]["Stage"]
    on.org.add_field("Deals", type(field)("Stage", "picklist", values=("Qualification", "Won")))
    made = change(
        Action.UPDATE_DEAL_STAGE, {"stage": "Stalled"},
        RecordRef(type=RecordType.DEAL, id=deal.id), account_id=account,
    )  # fmt: skip
    with pytest.raises(CrmInvalidError, match=r"Deals\.Stage has Qualification, Won") as caught:
        await apply(on, made)
    assert caught.value.field == "stage"


async def test_a_field_that_may_not_be_written() -> None:
    """The mapping says so; nothing is asked of the CRM."""
    document = {
        "modules": [
            {"module": "Accounts", "record": "account",
             "fields": {"name": "Account_Name", "owner_id": "Owner", "phone": "Phone"}}
        ]
    }  # fmt: skip
    on = stage(mapping=parse_field_mapping(document, "m.yaml"))
    record = RecordRef(type=RecordType.ACCOUNT, id=account_of(on))
    made = change(Action.UPDATE_ACCOUNT, {"phone": "1"}, record, account_id=account_of(on))
    with pytest.raises(CrmInvalidError, match="the mapping lets none be written"):
        await apply(on, made)
    assert on.paths() == []


async def test_a_record_deleted_or_merged_meanwhile() -> None:
    """Neither is written to."""
    on = stage()
    made, version = await phone(on)
    first, second = list(on.org.rows["Accounts"].values())[:2]
    on.org.merge(first, second, on.clock.now())
    with pytest.raises(CrmRecordNotFoundError):
        await apply(on, made, version)
    for parentless in (note, task):
        gone = parentless(on).model_copy(update={"account_id": first.id})
        with pytest.raises(CrmRecordNotFoundError, match=first.id):
            await apply(on, gone)


async def test_an_inactive_user_is_given_nothing() -> None:
    on = stage()
    gone = next(user for user in on.org.users.values() if not user.active)
    with pytest.raises(CrmInvalidError, match="no active user") as caught:
        await apply(on, task(on, owner_id=gone.id))
    assert caught.value.field == "owner_id"
