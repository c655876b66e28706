"""Writing to Zoho CRM: what is sent, what its answers mean, and how a write is found again."""

import json
from datetime import timedelta
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
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult
from tests.support.crm import change
from tests.support.zoho_crm import ZohoStage, stage

LIMITS = SnapshotLimits()
OPERATION = "01a22aae-3165-723d-a4b8-b057c573bb25:47fc1814d55c386b"
WRITE = "/crm/v8/[A-Z]*"


def account_of(on: ZohoStage) -> str:
    return str(next(iter(on.org.rows["Accounts"])))


async def phone(on: ZohoStage, number: str = "+99 2") -> tuple[ProposedChange, str]:
    """A change of the first account's phone, and its version now."""
    account = account_of(on)
    found = await on.crm.snapshot(account, as_of=on.clock.now(), limits=LIMITS)
    record = RecordRef(type=RecordType.ACCOUNT, id=account, version=found.account.version)
    made = change(Action.UPDATE_ACCOUNT, {"phone": number}, record, account_id=account)
    return made, found.account.version


def note(on: ZohoStage, text: str = "Hello") -> ProposedChange:
    return change(Action.ADD_NOTE, {"content": text}, None, account_id=account_of(on))


def task(on: ZohoStage, **more: Any) -> ProposedChange:
    after = {"subject": "Call", "due_at": "2026-12-03T15:30:00Z", **more}
    return change(Action.CREATE_TASK, after, None, account_id=account_of(on))


async def apply(
    on: ZohoStage, made: ProposedChange, version: str | None = None, operation: str = OPERATION
) -> ApplyResult:
    return await on.crm.apply(made, expected_version=version, operation_id=operation)


def begun(
    on: ZohoStage, made: ProposedChange, version: str | None = None, *, ago: float = 0
) -> Operation:
    tried = on.clock.now() - timedelta(seconds=ago)
    return Operation(
        operation_id=OPERATION, tenant="default", change=made, expected_version=version,
        begun_at=tried, tried_at=tried,
    )  # fmt: skip


def fault(action: str, method: str = "*", **more: Any) -> dict[str, Any]:
    match = {"path": WRITE} if method == "*" else {"path": WRITE, "method": method}
    return {"match": match, "times": 1, "action": action, **more}


def capture(on: ZohoStage) -> list[tuple[str, dict[str, str], dict[str, Any]]]:
    """The writes as they are sent: path, headers, body."""
    sent: list[tuple[str, dict[str, str], dict[str, Any]]] = []
    handle = on.app.service.handle

    def recording(call: Any) -> Any:
        if (
            call.method in ("POST", "PUT")
            and call.path.startswith("/crm/v8/")
            and ("coql" not in call.path)
        ):
            sent.append((call.path, dict(call.headers), json.loads(call.body)))
        return handle(call)

    on.app.service.handle = recording  # type: ignore[method-assign]
    return sent


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


@pytest.mark.parametrize("kind", ["note", "task"])
async def test_a_create_that_commits_after_the_connection_broke(kind: str) -> None:
    """It is not written again before it cannot come any more, or cannot come twice."""
    on = stage(fault("commit_late", "POST", delay_ms=1))
    made = note(on) if kind == "note" else task(on)
    with pytest.raises(CrmUnavailableError):
        await apply(on, made)
    if kind == "note":
        with pytest.raises(CrmOutcomeUnknownError) as caught:
            await on.crm.find_operations((begun(on, made),))
        assert caught.value.retry_after == pytest.approx(60, abs=1)
    else:
        assert await on.crm.find_operations((begun(on, made),)) == {}
    await on.app.finish()
    found = await on.crm.find_operations((begun(on, made),))
    assert found[OPERATION].status == "applied"
    module = "Notes" if kind == "note" else "Tasks"
    children = on.org.children(module, "Parent_Id" if kind == "note" else "What_Id", account_of(on))
    assert found[OPERATION].record.id in {row.id for row in children}


async def test_a_create_that_never_came_is_known_after_twice_the_time_out() -> None:
    on = stage(fault("drop_before", "POST"))
    with pytest.raises(CrmUnavailableError):
        await apply(on, note(on))
    with pytest.raises(CrmOutcomeUnknownError) as caught:
        await on.crm.find_operations((begun(on, note(on), ago=45),))
    assert caught.value.retry_after == pytest.approx(15, abs=1)
    assert await on.crm.find_operations((begun(on, note(on), ago=61),)) == {}


async def test_a_lookup_asks_no_search() -> None:
    """The index lags behind what was created."""
    on = stage()
    await apply(on, note(on))
    await apply(on, task(on), operation="run:2")
    on.app.log.lines.clear()
    await on.crm.find_operations((begun(on, note(on)), begun(on, task(on))))
    assert not any("search" in path or "coql" in path for path in on.paths())


async def test_a_change_whose_answer_was_lost() -> None:
    """It stands there, at another version: it was written. Otherwise it may still come."""
    for action, known in (("drop_after", True), ("drop_before", False)):
        on = stage(fault(action, "PUT"))
        made, version = await phone(on)
        with pytest.raises(CrmUnavailableError):
            await apply(on, made, version)
        if known:
            found = await on.crm.find_operations((begun(on, made, version),))
            assert found[OPERATION].current == {"phone": "+99 2"}
            continue
        with pytest.raises(CrmOutcomeUnknownError):
            await on.crm.find_operations((begun(on, made, version),))
        assert await on.crm.find_operations((begun(on, made, version, ago=61),)) == {}
        assert (await apply(on, made, version)).status == "applied"


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
