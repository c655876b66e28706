"""Writes to a portal: once, compared before, and found again."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from account_reviews.crm.protocol import Wanted
from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType
from tests.support.crm import change
from tests.support.hubspot import crm_of, make_fake, plan
from tests.support.hubspot_writes import NOTES, first, note, notes_of, operation, phone, write


async def test_a_note_carries_its_operation_and_its_account() -> None:
    app = make_fake()
    done = await write(crm_of(app), note(app))
    made = app.state.objects["notes"][done.record.id]
    assert made.properties["review_operation_id"] == "run:1"
    assert made.properties["hs_note_body"] == "Hello"
    assert done.record.id in notes_of(app)
    assert app.log.lines[-1].operation_id == "run:1"
    assert done.applied_at is not None


async def test_a_task_has_what_hubspot_wants_of_one() -> None:
    app = make_fake()
    task = change(Action.CREATE_TASK, {"subject": "Call"}, None, account_id=first(app))
    done = await write(crm_of(app), task)
    made = app.state.objects["tasks"][done.record.id].properties
    assert (made["hs_task_status"], made["hs_task_type"]) == ("NOT_STARTED", "TODO")
    assert made["hs_timestamp"]


@pytest.mark.parametrize("status", [409, 400])
async def test_a_create_that_was_made_before_is_found_by_its_property(status: int) -> None:
    """HubSpot answers either; the id stands in the text at most, and a search would lag."""
    app = make_fake()
    crm = crm_of(app)
    made = await write(crm, note(app))
    if status == 400:
        body = {"status": "error", "category": "VALIDATION_ERROR",
                "message": 'Property values were not valid: [{"error":"CONFLICTING_UNIQUE_VALUE",'
                           '"name":"review_operation_id"}]'}  # fmt: skip
        rule = {"match": NOTES, "action": "status", "status": 400, "body": body}
        app.faults.set_plan(plan(rule))
    again = await write(crm, note(app))
    assert (again.status, again.record.id) == ("already_applied", made.record.id)
    assert again.current == {"content": "Hello"}
    assert not any(line.path.endswith("/search") for line in app.log.lines)


async def test_what_stands_in_the_way_cannot_be_read_is_an_unknown_outcome() -> None:
    app = make_fake()
    crm = crm_of(app)
    await write(crm, note(app))
    for fault in ({"action": "status", "status": 403}, {"action": "status", "status": 404}):
        app.faults.set_plan(plan({"match": {"path": "*/notes/batch/read"}, **fault}))
        with pytest.raises(CrmOutcomeUnknownError):
            await write(crm, note(app))


async def test_a_portal_without_the_property_is_marked_and_says_so() -> None:
    app = make_fake(unique=False)
    crm = crm_of(app)
    assert (await crm.capabilities()).create_once
    done = await write(crm, note(app))
    assert not (await crm.capabilities()).create_once
    assert "[operation " in app.state.objects["notes"][done.record.id].properties["hs_note_body"]
    assert done.current == {"content": "Hello"}


async def test_writes_of_one_operation_at_a_time_make_one_record() -> None:
    app = make_fake()
    crm = crm_of(app)
    tries = await asyncio.gather(*(write(crm, note(app)) for _ in range(5)))
    assert len({one.record.id for one in tries}) == 1
    assert max(one.status for one in tries) == "applied"
    assert len(notes_of(app)) == 5


async def test_an_update_is_compared_before_it_is_written() -> None:
    app = make_fake({"match": {"method": "PATCH"}, "action": "delay"})
    crm = crm_of(app)
    update, version = await phone(app, crm)
    app.state.update(app.state.find("companies", first(app)), {"city": "Oslo"}, datetime.now(UTC))
    found = await write(crm, update, version)
    assert (found.status, found.current) == ("conflict", {"phone": "+1 555 0000000"})
    assert not any(line.method == "PATCH" for line in app.log.lines)


async def test_a_note_of_the_same_review_is_no_conflict() -> None:
    """HubSpot's time of the last change moves with each note; a version does not."""
    app = make_fake()
    crm = crm_of(app)
    update, version = await phone(app, crm)
    await write(crm, note(app), operation="run:2")
    company = app.state.find("companies", first(app))
    now = datetime.now(UTC).isoformat()
    company.properties |= {"notes_last_updated": now, "hs_lastmodifieddate": now}
    assert (await write(crm, update, version)).status == "applied"


async def test_somebody_who_comes_in_between_is_written_over() -> None:
    """The race that HubSpot leaves open: docs/hubspot.md, and each entry of the trail, say so."""
    app = make_fake({"match": {"method": "PATCH"}, "action": "edit", "times": 1})
    crm = crm_of(app)
    assert not (await crm.capabilities()).optimistic_lock
    update, version = await phone(app, crm)
    done = await write(crm, update, version)
    assert (done.status, done.before) == ("applied", {"phone": "+1 555 0000000"})
    history = app.state.find("companies", first(app)).history["phone"]
    assert len(history) == 3


async def test_a_deal_of_another_account_is_not_written_to() -> None:
    app = make_fake()
    other = list(app.state.objects["deals"])[-1]
    ref = RecordRef(type=RecordType.DEAL, id=other)
    move = change(Action.UPDATE_DEAL_STAGE, {"stage": "Negotiation"}, ref, account_id=first(app))
    with pytest.raises(CrmInvalidError, match="does not belong to account") as caught:
        await write(crm_of(app), move)
    assert caught.value.field == "record"


async def test_a_merged_account_is_not_written_to_under_its_old_id() -> None:
    app = make_fake()
    crm = crm_of(app)
    update, version = await phone(app, crm)
    one, other, *_ = app.state.objects["companies"]
    app.state.merge("companies", one, other)
    with pytest.raises(CrmRecordNotFoundError, match=f"it was merged into '{other}'"):
        await write(crm, update, version)
    assert await crm.find_operations((operation(update, version),)) == {}


REFUSALS: list[tuple[dict[str, Any], type[CrmError], str]] = [
    ({"status": 403, "code": "crm.objects.companies.write"}, CrmPermissionError, "lacks the scope"),
    ({"status": 404}, CrmRecordNotFoundError, "has no account"),
    ({"status": 423}, CrmRateLimitedError, "locked"),
    ({"status": 429, "code": "TEN_SECONDLY_ROLLING"}, CrmRateLimitedError, "slow down"),
    ({"status": 500}, CrmUnavailableError, "answers 500"),
    ({"status": 400, "body": {"message": "no", "errors": [{"in": "phone", "code": "TOO_LONG"}]}},
     CrmInvalidError, "TOO_LONG for the property phone"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "said"), REFUSALS)
async def test_a_refused_update_is_told(
    fault: dict[str, Any], kind: type[CrmError], said: str
) -> None:
    app = make_fake()
    crm = crm_of(app)
    update, version = await phone(app, crm)
    app.faults.set_plan(plan({"match": {"method": "PATCH"}, "action": "status", **fault}))
    with pytest.raises(kind, match=said) as caught:
        await write(crm, update, version)
    assert type(caught.value) is kind


async def test_a_refusal_names_our_field() -> None:
    app = make_fake()
    account = first(app)
    ref = RecordRef(type=RecordType.ACCOUNT, id=account)
    update = change(Action.UPDATE_ACCOUNT, {"industry": "Space"}, ref, account_id=account)
    with pytest.raises(CrmInvalidError, match="INVALID_OPTION for the property industry") as caught:
        await write(crm_of(app), update)
    assert caught.value.field == "industry"
    hand_over = change(Action.CHANGE_OWNER, {"owner_id": "17"}, ref, account_id=account)
    with pytest.raises(CrmInvalidError, match="INVALID_OWNER_ID") as caught:
        await write(crm_of(app), hand_over)
    assert caught.value.field == "owner_id"


@pytest.mark.parametrize("account", ["17", "no id"])
async def test_a_note_of_no_account_is_not_made(account: str) -> None:
    app = make_fake()
    wanted = change(Action.ADD_NOTE, {"content": "x"}, None, account_id=account)
    with pytest.raises(CrmRecordNotFoundError, match=f"has no account '{account}'"):
        await write(crm_of(app), wanted)
    odd = {"match": NOTES, "action": "status", "status": 400, "body": {"message": "Invalid input"}}
    app.faults.set_plan(plan(odd))
    with pytest.raises(CrmRecordNotFoundError, match=f"has no account '{account}'"):
        await write(crm_of(app), wanted)
    with pytest.raises(CrmInvalidError):
        await write(crm_of(app), note(app))


async def test_a_deal_moves_to_a_stage_of_the_portals_own() -> None:
    app = make_fake()
    crm = crm_of(app)
    deal = first(app, "deals")
    ref = RecordRef(type=RecordType.DEAL, id=deal)
    move = change(Action.UPDATE_DEAL_STAGE, {"stage": "Stalled"}, ref, account_id=first(app))
    done = await write(crm, move)
    assert done.current == {"stage": "Stalled"}
    assert app.state.objects["deals"][deal].properties["dealstage"] == "100000002"
    assert await crm.read_back((Wanted(record=ref, fields=("stage",)),)) == ({"stage": "Stalled"},)
    found = await crm.find_operations((operation(move),))
    assert found["run:1"].current == {"stage": "Stalled"}
