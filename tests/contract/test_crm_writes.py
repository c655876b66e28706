"""What every CRM does when it is written to: once, never blindly, and found again."""

import asyncio
from typing import Any

import pytest

from account_reviews.domain.errors import (
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordType
from tests.support.crm_contract import NOT_THERE, Held, now, operation, whole

ACCOUNT, DEAL, CONTACT = RecordType.ACCOUNT, RecordType.DEAL, RecordType.CONTACT


async def test_an_account_is_updated(held: Held) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")
    after: Any = {"website": "https://amber.example", "phone": "+99 2"}
    update = held.change(Action.UPDATE_ACCOUNT, after, account)
    done = await crm.apply(update, expected_version=account.version, operation_id="run:1")
    assert done.status == "applied"
    assert done.before == {"website": None, "phone": "+99 1"}
    assert done.current == after
    assert done.record.id == account.id
    assert await held.shown(account, "website", "phone") == after
    assert done.record.version == await held.version(ACCOUNT, "ac-1")


async def test_a_record_that_somebody_changed_is_a_conflict(held: Held) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")
    await held.world.edit(ACCOUNT, held.id("ac-1"), phone="+99 7")
    update = held.change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, account)
    found = await crm.apply(update, expected_version=account.version, operation_id="run:1")
    assert found.status == "conflict"
    assert found.current == {"phone": "+99 7"}
    assert await held.shown(account, "phone") == {"phone": "+99 7"}
    assert found.record.version not in (None, account.version)
    second = await crm.apply(update, expected_version=found.record.version, operation_id="run:1")
    assert second.status == "applied", "a conflict leaves no trace"


async def test_a_field_is_emptied(held: Held) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")
    update = held.change(Action.UPDATE_ACCOUNT, {"phone": None}, account)
    found = await crm.apply(update, expected_version=account.version, operation_id="run:1")
    assert (found.before, found.current) == ({"phone": "+99 1"}, {"phone": None})
    assert await held.shown(account, "phone") == {"phone": None}


async def test_a_task_is_created(held: Held) -> None:
    crm = await held.filled(whole())
    after: Any = {
        "subject": "Call them", "due_at": "2026-10-03T00:00:00Z", "owner_id": held.id("ow-2"),
        "priority": "high",
    }  # fmt: skip
    task = held.change(Action.CREATE_TASK, after)
    done = await crm.apply(task, expected_version=None, operation_id="run:1")
    other = await crm.apply(task, expected_version=None, operation_id="run:2")
    assert (done.status, done.before, done.current) == ("applied", {}, after)
    assert done.record.id not in (None, other.record.id)
    assert await held.shown(done.record, *after) == after
    found = await held.snapshot(as_of=now())
    assert {done.record.id, other.record.id, held.id("ac-1-t1")} == {one.id for one in found.tasks}


async def test_a_note_is_added(held: Held) -> None:
    crm = await held.filled(whole())
    text = "All is well. 🚀 שלום\nA second line & <b>tags</b>"
    note = held.change(Action.ADD_NOTE, {"content": text})
    done = await crm.apply(note, expected_version=None, operation_id="run:1")
    assert (done.status, done.current) == ("applied", {"content": text})
    assert await held.shown(done.record, "content") == {"content": text}
    found = await held.snapshot(as_of=now())
    assert done.record.id in {one.id for one in found.notes}


async def test_a_deal_moves_on(held: Held) -> None:
    crm = await held.filled(whole())
    deal = await held.ref(DEAL, "ac-1-d1")
    move = held.change(Action.UPDATE_DEAL_STAGE, {"stage": "Negotiation"}, deal)
    done = await crm.apply(move, expected_version=deal.version, operation_id="run:1")
    assert (done.before, done.current) == ({"stage": "Proposal"}, {"stage": "Negotiation"})
    assert await held.shown(deal, "stage") == {"stage": "Negotiation"}


@pytest.mark.parametrize(
    ("kind", "name"), [(ACCOUNT, "ac-1"), (DEAL, "ac-1-d1"), (CONTACT, "ac-1-c1")]
)
async def test_records_change_hands(held: Held, kind: RecordType, name: str) -> None:
    crm = await held.filled(whole())
    record = await held.ref(kind, name)
    after: Any = {"owner_id": held.id("ow-2")}
    hand_over = held.change(Action.CHANGE_OWNER, after, record)
    await crm.apply(hand_over, expected_version=record.version, operation_id="run:1")
    assert await held.shown(record, "owner_id") == after


async def test_a_contact_is_updated(held: Held) -> None:
    crm = await held.filled(whole())
    contact = await held.ref(CONTACT, "ac-1-c1")
    update = held.change(Action.UPDATE_CONTACT, {"email": "alva@amber.example"}, contact)
    done = await crm.apply(update, expected_version=contact.version, operation_id="run:1")
    assert done.before == {"email": None}
    assert await held.shown(contact, "email") == {"email": "alva@amber.example"}


@pytest.mark.parametrize(
    ("action", "after", "record", "field"),
    [
        (Action.CHANGE_OWNER, {"owner_id": NOT_THERE}, (ACCOUNT, "ac-1"), "owner_id"),
        (Action.CREATE_TASK, {"subject": "x", "owner_id": NOT_THERE}, None, "owner_id"),
        (Action.CREATE_TASK, {"priority": "high"}, None, "subject"),
        (Action.ADD_NOTE, {"title": "x"}, None, "content"),
        (Action.UPDATE_DEAL_STAGE, {"stage": "Sold"}, (DEAL, "ac-1-d1"), "stage"),
        (Action.UPDATE_ACCOUNT, {"colour": "red"}, (ACCOUNT, "ac-1"), "colour"),
        (Action.UPDATE_ACCOUNT, {"phone": "1"}, (DEAL, "ac-1-d1"), "record"),
    ],
)
async def test_a_value_that_does_not_fit_is_refused(
    held: Held, action: Action, after: Any, record: tuple[RecordType, str] | None, field: str
) -> None:
    crm = await held.filled(whole())
    target = None if record is None else await held.ref(*record)
    before = await held.snapshot(as_of=now())
    wrong = held.change(action, after, target)
    version = None if target is None else target.version
    with pytest.raises(CrmInvalidError) as caught:
        await crm.apply(wrong, expected_version=version, operation_id="run:1")
    assert caught.value.field == field
    left = await held.snapshot(as_of=before.as_of)
    assert left.model_copy(update={"fetched_at": before.fetched_at}) == before


async def test_a_record_that_is_gone_is_not_found(held: Held) -> None:
    crm = await held.filled(whole())
    deal = await held.ref(DEAL, "ac-1-d1")
    await held.world.remove(DEAL, held.id("ac-1-d1"))
    move = held.change(Action.UPDATE_DEAL_STAGE, {"stage": "Negotiation"}, deal)
    with pytest.raises(CrmRecordNotFoundError, match=deal.id):
        await crm.apply(move, expected_version=deal.version, operation_id="run:1")
    task = held.change(Action.CREATE_TASK, {"subject": "x"}, account=NOT_THERE)
    with pytest.raises(CrmRecordNotFoundError, match=NOT_THERE):
        await crm.apply(task, expected_version=None, operation_id="run:2")
    assert await held.shown(deal, "stage") is None


async def test_what_was_written_is_found_again(held: Held) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")
    note = held.change(Action.ADD_NOTE, {"content": "Hello"})
    update = held.change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, account)
    made = await crm.apply(note, expected_version=None, operation_id="run:1")
    changed = await crm.apply(update, expected_version=account.version, operation_id="run:2")
    never = held.change(Action.ADD_NOTE, {"content": "Never sent"})
    asked = (
        operation(note, None, "run:1"),
        operation(update, account.version, "run:2"),
        operation(never, None, "run:3"),
    )
    for _ in range(2):  # asking leaves nothing behind
        found = await crm.find_operations(asked)
        assert found.keys() == {"run:1", "run:2"}
        assert found["run:1"].record.id == made.record.id
        assert found["run:2"].current == changed.current


@pytest.mark.parametrize("committed", [True, False], ids=["made", "not_made"])
async def test_a_create_whose_answer_was_lost_is_made_once(held: Held, committed: bool) -> None:
    """As whoever writes does it: look the operation up, and try again only if it was not made."""
    crm = await held.filled(whole())
    note = held.change(Action.ADD_NOTE, {"content": "Only once"})
    await held.world.lose_answer(committed=committed)
    with pytest.raises((CrmUnavailableError, CrmOutcomeUnknownError)):
        await crm.apply(note, expected_version=None, operation_id="run:1")
    found = await held.crm.find_operations((operation(note, None, "run:1"),))
    assert bool(found) is committed
    if not found:
        await held.crm.apply(note, expected_version=None, operation_id="run:1")
    notes = (await held.snapshot(as_of=now())).notes
    assert [one.content for one in notes].count("Only once") == 1


@pytest.mark.parametrize("committed", [True, False], ids=["made", "not_made"])
async def test_an_update_whose_answer_was_lost_is_known(held: Held, committed: bool) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")
    update = held.change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, account)
    await held.world.lose_answer(committed=committed)
    with pytest.raises((CrmUnavailableError, CrmOutcomeUnknownError)):
        await crm.apply(update, expected_version=account.version, operation_id="run:1")
    found = await held.crm.find_operations((operation(update, account.version, "run:1"),))
    assert bool(found) is committed
    if committed:
        assert found["run:1"].current == {"phone": "+99 2"}


async def test_a_repeat_is_the_same_write_where_the_crm_knows_it(held: Held) -> None:
    crm = await held.filled(whole())
    can = await crm.capabilities()
    note = held.change(Action.ADD_NOTE, {"content": "Only once"})
    first = await crm.apply(note, expected_version=None, operation_id="run:1")
    if can.transactional_ledger or can.create_once:
        tries = await asyncio.gather(
            *(crm.apply(note, expected_version=None, operation_id="run:1") for _ in range(5))
        )
        assert {one.record.id for one in tries} == {first.record.id}
    else:
        found = await crm.find_operations((operation(note, None, "run:1"),))
        assert found["run:1"].record.id == first.record.id
    notes = (await held.snapshot(as_of=now())).notes
    assert [one.content for one in notes].count("Only once") == 1


async def test_of_writers_at_one_version_one_wins_where_the_crm_can_lock(held: Held) -> None:
    crm = await held.filled(whole())
    account = await held.ref(ACCOUNT, "ac-1")

    async def write(number: int) -> str:
        update = held.change(Action.UPDATE_ACCOUNT, {"phone": f"+99 {number}"}, account)
        done = await crm.apply(
            update, expected_version=account.version, operation_id=f"run:{number}"
        )
        return done.status

    if (await crm.capabilities()).optimistic_lock:
        results = await asyncio.gather(*(write(number) for number in range(2, 8)))
    else:
        results = [await write(number) for number in range(2, 8)]
    assert sorted(results) == ["applied"] + ["conflict"] * 5
