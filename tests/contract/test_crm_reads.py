"""What every CRM does when it is read. Who lacks something says so in `capabilities`."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmOfAnotherTenantError,
    CrmUnavailableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import (
    OPEN_TASKS,
    AccountStatus,
    Activity,
    ActivityType,
    Contact,
    DealStage,
    Note,
    Owner,
    Record,
    RecordType,
    SnapshotLimits,
    Task,
    task_word,
)
from tests.support.crm_contract import LIMITS, NOT_THERE, Held, whole
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, ago

_BOOKKEEPING = frozenset({"id", "version", "url", "account_id", "owner_id", "modified_at"})
"""Fields that are the CRM's own affair, or are held against its own ids."""


def same_where_known(found: Record, wanted: Record) -> None:
    """What it shows is right; what it does not show it does not know."""
    for name, value in wanted:
        shown = getattr(found, name)
        if name in _BOOKKEEPING or shown in (None, (), {}):
            continue
        if name in ("created_at", "created_by") and value is None:
            continue  # of whatever is made there a CRM may note when and by whom
        if name == "status" and isinstance(found, Task):
            assert task_word(shown) in OPEN_TASKS
        else:
            assert shown == value, name


def of_one_kind(held: Held, found: Iterable[Record], wanted: Iterable[Record]) -> None:
    by_id = {one.id: one for one in found}
    expected = {held.id(one.id): one for one in wanted}
    assert by_id.keys() == expected.keys()
    for record_id, record in by_id.items():
        same_where_known(record, expected[record_id])
        assert record.version


async def test_a_snapshot_holds_all_of_an_account(held: Held) -> None:
    await held.filled(whole(), whole("ac-2"))
    found, wanted = await held.snapshot(), whole()
    assert found.account.id == held.id("ac-1")
    assert found.account.name == wanted.account.name
    assert found.account.owner_id == held.id("ow-1")
    same_where_known(found.account, wanted.account)
    assert found.owner is not None
    assert (found.owner.id, found.owner.name) == (held.id("ow-1"), ILSE.name)
    of_one_kind(held, found.contacts, wanted.contacts)
    of_one_kind(held, found.deals, wanted.deals)
    of_one_kind(held, found.activities, wanted.activities)
    of_one_kind(held, found.notes, wanted.notes)
    of_one_kind(held, found.tasks, wanted.tasks)
    assert [mark.id for mark in found.activity_marks] == [held.id("ac-1-a1")]
    assert found.modules <= wanted.modules
    assert found.as_of == AS_OF
    assert found.source


async def test_what_a_review_cannot_do_without_is_there(held: Held) -> None:
    await held.filled(whole())
    found = await held.snapshot()
    assert {one.name for one in found.contacts} == {"Alva", "Bela"}
    assert [(one.name, one.stage) for one in found.deals] == [
        ("Open", DealStage.PROPOSAL), ("Won", DealStage.CLOSED_WON),
    ]  # fmt: skip
    assert found.deals[0].amount == 90_000
    assert [(one.type, one.at) for one in found.activities][:1] == [(ActivityType.CALL, ago(3))]
    assert [one.content for one in found.notes] == ["Wants a training"]
    assert [one.subject for one in found.tasks] == ["Call"]


async def test_totals_are_right_or_unknown_where_limits_cut(held: Held) -> None:
    await held.filled(whole())
    limits = SnapshotLimits(contacts=1, deals=1, activities=1, notes=1, tasks=1)
    found = await held.snapshot(limits=limits)
    assert held.ours(one.id for one in found.contacts) == ["ac-1-c2"]
    assert held.ours(one.id for one in found.deals) == ["ac-1-d1"]
    assert held.ours(one.id for one in found.activities) == ["ac-1-a1"]
    counted = {
        RecordType.CONTACT: 2,
        RecordType.DEAL: 2,
        RecordType.ACTIVITY: 2,
        RecordType.NOTE: 1,
        RecordType.TASK: 1,
    }
    assert found.totals.items() <= counted.items()


async def test_nothing_of_later_is_shown(held: Held) -> None:
    ids: dict[str, Any] = {"version": "1", "account_id": "ac-1"}
    later = ago(-1)
    await held.filled(
        whole(
            activities=(
                Activity(id="ac-1-planned", type=ActivityType.CALL, at=later, **ids),
                Activity(id="ac-1-known", type=ActivityType.CALL, at=AS_OF, **ids),
            ),
            notes=(Note(id="ac-1-n", content="x", created_at=later, **ids),),
            contacts=(Contact(id="ac-1-c", name="x", created_at=later, **ids),),
        )
    )
    found = await held.snapshot()
    assert held.ours(one.id for one in found.activities) == ["ac-1-known"]
    assert held.ours(one.id for one in found.activity_marks) == ["ac-1-known"]
    assert not found.notes
    assert not found.contacts


async def test_stages_and_owners_of_before_are_told_by_who_keeps_them(held: Held) -> None:
    crm = await held.filled(whole(previous_owner=TOMAS))
    found = await held.snapshot()
    if (await crm.capabilities()).history:
        assert found.previous_owner is not None
        assert found.previous_owner.id == held.id(TOMAS.id)
        assert [step.stage for step in found.deals[0].stage_history] == [
            DealStage.QUALIFICATION, DealStage.PROPOSAL,
        ]  # fmt: skip
    else:
        assert found.previous_owner is None
        assert all(not deal.stage_history for deal in found.deals)


async def test_an_unknown_account_is_not_found(held: Held) -> None:
    crm = await held.filled(whole())
    with pytest.raises(AccountNotFoundError, match=NOT_THERE):
        await held.snapshot(NOT_THERE)
    assert await crm.snapshots((NOT_THERE,), as_of=AS_OF, limits=LIMITS) == {}


async def test_many_accounts_are_read_like_each_alone(held: Held) -> None:
    crm = await held.filled(*(whole(f"ac-{n}") for n in range(1, 5)))
    most = (await crm.capabilities()).bulk_reads
    assert most >= 1
    ids = [held.id(f"ac-{n}") for n in range(1, 5)][:most]
    found = await crm.snapshots(ids, as_of=AS_OF, limits=LIMITS)
    assert sorted(found) == sorted(ids)
    for one in ids:
        alone = await crm.snapshot(one, as_of=AS_OF, limits=LIMITS)
        ignored = {"fetched_at": AS_OF, "source": ""}
        assert found[one].model_copy(update=ignored) == alone.model_copy(update=ignored)


async def test_accounts_are_listed_in_pages_each_once(held: Held) -> None:
    names = {f"ac-{n}" for n in range(7)}
    crm = await held.filled(*(whole(name) for name in names))
    found: list[str] = []
    cursor = None
    for _ in range(len(names)):
        page = await crm.list_accounts(AccountFilter(), cursor=cursor, limit=2)
        assert len(page.items) <= 2
        found += held.ours(one.id for one in page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert cursor is None
    assert sorted(found) == sorted(names)


async def test_accounts_are_found_by_what_they_are(held: Held) -> None:
    def of(account_id: str, **fields: Any) -> Any:
        account = whole(account_id).account.model_copy(update=fields)
        return whole(account_id, account=account)

    await held.filled(
        of("ac-1"),
        of("ac-2", owner_id="ow-2"),
        of("ac-3", status=AccountStatus.CLOSED),
        of("ac-4", status=None),
    )
    assert await held.listed(owner=held.id("ow-2")) == ["ac-2"]
    assert await held.listed(owner="Tomas Brekke") == ["ac-2"]
    assert await held.listed(owner="nobody") == []
    wanted = (held.id("ac-3"), held.id("ac-1"), NOT_THERE)
    assert sorted(await held.listed(account_ids=wanted)) == ["ac-1", "ac-3"]
    assert await held.listed(account_ids=()) == []
    assert await held.listed(owner=held.id("ow-1"), account_ids=(held.id("ac-2"),)) == []
    open_ones = await held.listed(statuses=(AccountStatus.ACTIVE,))
    if (await held.snapshot()).account.status is None:  # it has no such field
        assert sorted(open_ones) == ["ac-1", "ac-2", "ac-3", "ac-4"]
    else:
        assert sorted(open_ones) == ["ac-1", "ac-2", "ac-4"], "what is unknown is always taken"


async def test_what_changed_is_listed(held: Held) -> None:
    """A list of changes may hold more, where the CRM cannot tell; it never lacks one."""
    accounts = {
        name: whole(
            name,
            account=whole(name).account.model_copy(
                update={"modified_at": ago(days), "last_activity_at": ago(days)}
            ),
            contacts=(), deals=(), activities=(), notes=(), tasks=(),
        )
        for name, days in (("ac-1", 1), ("ac-2", 30))
    }  # fmt: skip
    crm = await held.filled(*accounts.values())
    found = await held.listed(changed_since=AS_OF - timedelta(days=7))
    if (await crm.capabilities()).incremental:
        assert found == ["ac-1"]
    else:
        assert "ac-1" in found


async def test_owners_are_known_by_id_and_by_a_name_that_one_has(held: Held) -> None:
    crm = await held.filled(whole())
    ilse = held.id("ow-1")
    assert await crm.has_owner(ilse)
    assert await crm.has_owner(ILSE.name, by_name=True)
    assert not await crm.has_owner(ILSE.name)
    assert not await crm.has_owner("nobody", by_name=True)
    assert not await crm.has_owner(NOT_THERE)
    found = await crm.find_owner(ilse)
    assert found is not None
    assert (found.id, found.name, found.email) == (ilse, ILSE.name, ILSE.email)
    assert await crm.find_owner(ILSE.name) == found
    assert await crm.find_owner("nobody") is None


async def test_an_owner_who_left_has_his_manager_shown(held: Held) -> None:
    left = Owner(id="ow-3", version="1", name="Enno Falk", active=False, manager_id="ow-1")
    account = whole().account.model_copy(update={"owner_id": left.id})
    await held.filled(whole(account=account, owner=left), owners=(left,))
    found = await held.snapshot()
    assert found.owner is not None
    assert not found.owner.active
    if found.owner.manager_id is not None:
        assert found.manager is not None
        assert found.manager.id == held.id("ow-1")


async def test_any_script_and_any_length_is_read_as_it_is(held: Held) -> None:
    name, long = "נורדליכט 🚀 & Söhne <b>", "Ein Satz.\n" * 400
    ids: dict[str, Any] = {"version": "1", "account_id": "ac-1"}
    account = whole().account.model_copy(update={"name": name})
    notes = (Note(id="ac-1-n1", content=long, created_at=ago(5), **ids),)
    await held.filled(whole(account=account, notes=notes))
    found = await held.snapshot()
    assert found.account.name == name
    assert found.notes[0].content.strip() == long.strip()


async def test_it_says_what_it_is(held: Held) -> None:
    crm = await held.filled(whole())
    can = await crm.capabilities()
    assert can.name
    assert (await crm.health()).ok


async def test_another_tenant_is_refused(held: Held) -> None:
    crm = await held.filled(whole())
    await crm.of("default").apply(
        held.change(Action.ADD_NOTE, {"content": "Ours"}),
        expected_version=None,
        operation_id="run:1",
    )
    with pytest.raises(CrmOfAnotherTenantError):
        await crm.of("somebody-else").snapshot(held.id("ac-1"), as_of=AS_OF, limits=LIMITS)


async def test_a_crm_that_is_away_says_so(held: Held) -> None:
    await held.filled(whole())
    await held.world.disconnect()
    with pytest.raises(CrmUnavailableError):
        await held.snapshot()
    with pytest.raises(CrmUnavailableError):
        await held.crm.list_accounts(AccountFilter())
    health = await held.crm.health()
    assert not health.ok
    assert health.detail


async def test_an_account_that_was_deleted_is_not_found(held: Held) -> None:
    await held.filled(whole(), whole("ac-2"))
    await held.world.remove(RecordType.ACCOUNT, held.id("ac-1"))
    with pytest.raises(AccountNotFoundError):
        await held.snapshot()
    assert await held.listed() == ["ac-2"]
