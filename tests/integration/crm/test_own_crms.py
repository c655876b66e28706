"""What the CRM in memory and the SQL one do beyond the contract: they keep their own records."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm.in_memory import InMemoryCrm
from account_reviews.crm.protocol import AccountFilter, CrmBackend
from account_reviews.crm.sql import tables
from account_reviews.crm.sql.backend import OwnSqlCrm, SqlCrm
from account_reviews.crm.sql.rows import Links
from account_reviews.crm.sql.writes import apply_change
from account_reviews.domain.errors import (
    CrmInvalidError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import (
    Activity,
    ActivityType,
    Contact,
    DealStage,
    Note,
    Owner,
    RecordType,
    SnapshotLimits,
)
from account_reviews.store.operation_rows import Intent
from tests.support.crm import ACCOUNT, change, ref
from tests.support.crm_loading import AS_OF, ILSE, TOMAS, ago, load, read_one, sample
from tests.support.waiting import until

LIMITS = SnapshotLimits()
Filled = Callable[..., Any]
BOTH = (ILSE, TOMAS)


@pytest.fixture(params=["in_memory", "sql"])
def filled(request: pytest.FixtureRequest) -> Filled:
    """Makes a CRM that holds the given snapshots and two owners."""
    if request.param == "in_memory":

        async def in_memory(*snapshots: Any, owners: Iterable[Owner] = BOTH) -> CrmBackend:
            return InMemoryCrm(snapshots, owners=(*owners, *BOTH))

        return in_memory
    engine: AsyncEngine = request.getfixturevalue("engine")

    async def sql(*snapshots: Any, owners: Iterable[Owner] = BOTH) -> CrmBackend:
        alone = [owner.model_copy(update={"manager_id": None}) for owner in owners]
        await load(engine, snapshots, owners=(*alone, *BOTH))
        async with engine.begin() as connection:
            for owner in owners:
                has = update(tables.owners).where(tables.owners.c.id == owner.id)
                await connection.execute(has.values(manager_id=owner.manager_id))
        return SqlCrm(engine)

    return sql


DEAL = ref(RecordType.DEAL, "ac-1-d1")
CONTACT = ref(RecordType.CONTACT, "ac-1-c1")


def ids(records: Iterable[Any]) -> list[str]:
    return [record.id for record in records]


async def test_a_snapshot_holds_all_of_an_account(filled: Filled) -> None:
    crm = await filled(sample(), sample("ac-2"))
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    expected = sample()
    assert found.account == expected.account
    assert found.owner == ILSE
    assert found.previous_owner is None
    assert found.contacts == expected.contacts
    assert found.deals == expected.deals
    assert found.activities == expected.activities
    assert ids(found.activity_marks) == ["ac-1-a1"]
    assert found.notes == expected.notes
    assert found.tasks == expected.tasks
    assert found.modules == expected.modules
    assert found.as_of == AS_OF


async def test_totals_count_what_the_limits_cut(filled: Filled) -> None:
    crm = await filled(sample())
    limits = SnapshotLimits(contacts=1, deals=1, activities=1, notes=1, tasks=1)
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=limits)
    assert ids(found.contacts) == ["ac-1-c2"]
    assert ids(found.deals) == ["ac-1-d1"]
    assert ids(found.activities) == ["ac-1-a1"]
    assert found.totals == {
        RecordType.CONTACT: 2,
        RecordType.DEAL: 2,
        RecordType.ACTIVITY: 2,
        RecordType.NOTE: 1,
        RecordType.TASK: 1,
    }


async def test_modules_the_crm_does_not_hold_have_no_total(filled: Filled) -> None:
    held = frozenset({RecordType.ACCOUNT, RecordType.DEAL})
    crm = await filled(sample(modules=held, contacts=(), activities=(), notes=(), tasks=()))
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.modules == held
    assert found.totals == {RecordType.DEAL: 2}


async def test_nothing_of_later_is_shown(filled: Filled) -> None:
    ids_ = {"version": "1", "account_id": "ac-1"}
    later, recorded_later = ago(-1), {"at": ago(2), "created_at": ago(-1)}
    crm = await filled(
        sample(
            activities=(
                Activity(id="planned", type=ActivityType.CALL, at=later, **ids_),
                Activity(id="entered", type=ActivityType.CALL, **ids_, **recorded_later),
                Activity(id="known", type=ActivityType.CALL, at=AS_OF, **ids_),
            ),
            notes=(Note(id="n", content="x", created_at=later, **ids_),),
            contacts=(Contact(id="c", name="x", created_at=later, **ids_),),
            account=sample().account.model_copy(update={"last_activity_at": later}),
        )
    )
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert ids(found.activities) == ids(found.activity_marks) == ["known"]
    assert found.notes == found.contacts == ()
    assert found.totals[RecordType.ACTIVITY] == 1
    assert found.account.last_activity_at is None


@pytest.mark.parametrize(("days", "shown"), [(90, True), (90.0001, False)])
async def test_marks_reach_back_exactly_that_far(filled: Filled, days: float, shown: bool) -> None:
    mark = Activity(
        id="edge", version="1", account_id="ac-1", type=ActivityType.EMAIL, at=ago(days)
    )
    crm = await filled(sample(activities=(mark,)))
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert bool(found.activity_marks) is shown
    assert ids(found.activities) == ["edge"]


async def test_the_owner_before_is_named_for_the_look_back(filled: Filled) -> None:
    crm = await filled(sample(previous_owner=TOMAS))
    recent = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    later = await crm.snapshot("ac-1", as_of=AS_OF + timedelta(days=91), limits=LIMITS)
    assert recent.previous_owner == TOMAS
    assert later.previous_owner is None


async def test_accounts_are_listed_in_pages_by_id(filled: Filled) -> None:
    names = ["b", "a", "Z", "a-1", "ä"]
    crm = await filled(*(sample(name) for name in names))
    found: list[str] = []
    cursor = None
    for _ in range(len(names)):
        page = await crm.list_accounts(AccountFilter(), cursor=cursor, limit=2)
        found += ids(page.items)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == sorted(names)


async def test_an_account_is_updated_once(filled: Filled) -> None:
    crm = await filled(sample())
    update = change(
        Action.UPDATE_ACCOUNT,
        {"status": "At Risk", "annual_revenue": "20000", "contract_end": "2028-02-29"},
        ACCOUNT,
    )
    first = await crm.apply(update, expected_version="3", operation_id="run:1")
    again = await crm.apply(update, expected_version="3", operation_id="run:1")
    assert first.status == "applied"
    assert first.before == {
        "status": "Active", "annual_revenue": "12500.5", "contract_end": "2027-01-31",
    }  # fmt: skip
    assert first.current == update.after
    assert first.record.version == "4"
    assert again == first.model_copy(update={"status": "already_applied"})
    assert await read_one(crm, ACCOUNT, tuple(update.after)) == update.after
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.account.version == "4"
    assert found.account.modified_at == first.applied_at


async def test_a_changed_record_is_a_conflict(filled: Filled) -> None:
    crm = await filled(sample())
    update = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
    found = await crm.apply(update, expected_version="2", operation_id="run:1")
    assert found.status == "conflict"
    assert found.current == {"phone": "+99 1"}
    assert found.record.version == "3"
    assert await read_one(crm, ACCOUNT, ("phone",)) == {"phone": "+99 1"}
    second = await crm.apply(update, expected_version="3", operation_id="run:1")
    assert second.status == "applied", "a conflict leaves no trace in the ledger"


async def test_writing_what_is_there_makes_no_new_version(filled: Filled) -> None:
    crm = await filled(sample())
    update = change(Action.UPDATE_ACCOUNT, {"annual_revenue": "12500.50"}, ACCOUNT)
    found = await crm.apply(update, expected_version="3", operation_id="run:1")
    assert (found.status, found.record.version) == ("applied", "3")


async def test_a_task_is_created_once(filled: Filled) -> None:
    crm = await filled(sample())
    task = change(
        Action.CREATE_TASK,
        {"subject": "Call them", "due_at": "2026-10-03T00:00:00Z", "owner_id": "ow-2",
         "priority": "high"},
    )  # fmt: skip
    first = await crm.apply(task, expected_version=None, operation_id="run:1")
    again = await crm.apply(task, expected_version=None, operation_id="run:1")
    other = await crm.apply(task, expected_version=None, operation_id="run:2")
    assert first.status == "applied"
    assert first.before == {}
    assert first.current == task.after
    assert first.record.version == "1"
    assert again.record == first.record
    assert other.record.id != first.record.id
    assert await read_one(crm, first.record, tuple(task.after)) == task.after
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert {first.record.id, other.record.id, "ac-1-t1"} == set(ids(found.tasks))


async def test_a_stage_change_is_added_to_the_history(filled: Filled) -> None:
    crm = await filled(sample())
    move = change(Action.UPDATE_DEAL_STAGE, {"stage": "Negotiation"}, DEAL)
    done = await crm.apply(move, expected_version="1", operation_id="run:1")
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    deal = found.deals[0]
    assert (deal.stage, deal.version) == (DealStage.NEGOTIATION, "2")
    assert deal.stage_changed_at == done.applied_at == deal.stage_history[-1].at
    assert [step.stage for step in deal.stage_history] == [
        DealStage.QUALIFICATION, DealStage.PROPOSAL, DealStage.NEGOTIATION,
    ]  # fmt: skip


async def test_an_account_gets_another_owner(filled: Filled) -> None:
    crm = await filled(sample())
    hand_over = change(Action.CHANGE_OWNER, {"owner_id": "ow-2"}, ACCOUNT)
    await crm.apply(hand_over, expected_version="3", operation_id="run:1")
    found = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert found.owner == TOMAS
    assert found.previous_owner == ILSE


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (change(Action.CHANGE_OWNER, {"owner_id": "ow-9"}, ACCOUNT), "owner_id"),
        (change(Action.CHANGE_OWNER, {"owner_id": None}, ACCOUNT), "owner_id"),
        (change(Action.CREATE_TASK, {"subject": "x", "owner_id": "ow-9"}), "owner_id"),
        (change(Action.CREATE_TASK, {"priority": "high"}), "subject"),
        (change(Action.ADD_NOTE, {"title": "x"}), "content"),
        (change(Action.UPDATE_DEAL_STAGE, {"stage": "Sold"}, DEAL), "stage"),
        (change(Action.UPDATE_CONTACT, {"name": None}, CONTACT), "name"),
        (change(Action.UPDATE_ACCOUNT, {"colour": "red"}, ACCOUNT), "colour"),
        (change(Action.UPDATE_ACCOUNT, {"phone": "1"}, DEAL), "record"),
        (change(Action.UPDATE_DEAL_STAGE, {"stage": "Proposal"}, DEAL, "ac-2"), "record"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.action}",
)
async def test_a_value_that_does_not_fit_is_refused(
    filled: Filled, wrong: ProposedChange, field: str
) -> None:
    crm = await filled(sample(), sample("ac-2"))
    before = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    with pytest.raises(CrmInvalidError) as caught:
        await crm.apply(wrong, expected_version=None, operation_id="run:1")
    assert caught.value.field == field
    after = await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)
    assert after.model_copy(update={"fetched_at": before.fetched_at}) == before
    good = change(Action.ADD_NOTE, {"content": "x"})
    done = await crm.apply(good, expected_version=None, operation_id="run:1")
    assert done.status == "applied", "a refusal leaves no trace in the ledger"


async def test_reading_back(filled: Filled) -> None:
    crm = await filled(sample())
    assert await read_one(crm, ref(RecordType.TASK, "gone"), ("subject",)) is None
    assert await read_one(crm, DEAL, ("amount", "stage_changed_at")) == {
        "amount": "90000", "stage_changed_at": "2026-08-22T00:00:00Z",
    }  # fmt: skip
    with pytest.raises(CrmInvalidError, match="'colour'"):
        await read_one(crm, DEAL, ("colour",))


async def test_ten_attempts_at_once_write_once(filled: Filled) -> None:
    crm = await filled(sample())
    task = change(Action.CREATE_TASK, {"subject": "Only once"})
    results = await asyncio.gather(
        *(crm.apply(task, expected_version=None, operation_id="run:1") for _ in range(10))
    )
    assert sorted(result.status for result in results) == ["already_applied"] * 9 + ["applied"]
    assert len({result.record.id for result in results}) == 1


async def test_of_two_writers_at_one_version_one_wins(filled: Filled) -> None:
    crm = await filled(sample())
    results = await asyncio.gather(
        *(
            crm.apply(
                change(Action.UPDATE_ACCOUNT, {"phone": f"+99 {n}"}, ACCOUNT),
                expected_version="3",
                operation_id=f"run:{n}",
            )
            for n in range(2, 10)
        )
    )
    assert sorted(result.status for result in results) == ["applied"] + ["conflict"] * 7


def boss(owner_id: str, manager_id: str | None, *, active: bool) -> Owner:
    return Owner(
        id=owner_id, version="1", name=owner_id.title(), active=active, manager_id=manager_id
    )


@pytest.mark.parametrize(
    ("owner", "others", "manager"),
    [
        (boss("a", None, active=False), [], None),
        (boss("a", "a", active=False), [], None),
        (boss("a", "b", active=True), [boss("b", None, active=True)], None),
        (boss("a", "b", active=False), [boss("b", None, active=True)], "b"),
        (boss("a", "b", active=False), [boss("b", None, active=False)], "b"),
        (boss("a", "b", active=False), [boss("b", "a", active=False)], "b"),
        (
            boss("a", "b", active=False),
            [boss("b", "c", active=False), boss("c", "d", active=True),
             boss("d", None, active=True)],
            "c",
        ),
        (
            boss("a", "b", active=False),
            [boss("b", "c", active=False), boss("c", "b", active=False)],
            "b",
        ),
    ],
)  # fmt: skip
async def test_the_nearest_active_manager_of_an_owner_who_left_is_shown(
    filled: Filled, owner: Owner, others: list[Owner], manager: str | None
) -> None:
    account = sample().account.model_copy(update={"owner_id": owner.id})
    crm = await filled(sample(account=account, owner=owner), owners=(*reversed(others), owner))
    found = (await crm.snapshot("ac-1", as_of=AS_OF, limits=LIMITS)).manager
    assert (found and found.id) == manager


async def test_what_was_written_is_found_by_its_operation_id(filled: Filled) -> None:
    crm = await filled(sample())
    note = change(Action.ADD_NOTE, {"content": "Hello"})
    stale = change(Action.UPDATE_ACCOUNT, {"status": "Closed"}, ACCOUNT)
    done = await crm.apply(note, expected_version=None, operation_id="run:1")
    refused = await crm.apply(stale, expected_version="no such", operation_id="run:2")
    assert (done.status, refused.status) == ("applied", "conflict")
    for _ in range(2):  # asking leaves nothing behind
        wanted = [Operation.named(one) for one in ("run:3", "run:2", "run:1")]
        assert await crm.find_operations(wanted) == {"run:1": done}
    assert (await crm.apply(note, expected_version=None, operation_id="run:3")).status == "applied"


@pytest.mark.parametrize("kind", [SqlCrm, OwnSqlCrm])
async def test_a_write_under_way_is_waited_for_by_whoever_asks_for_it(
    engine: AsyncEngine, kind: type[SqlCrm]
) -> None:
    await load(engine, [sample()], owners=BOTH)
    crm = kind(engine)
    note = change(Action.ADD_NOTE, {"content": "Hello"})
    async with engine.connect() as connection:
        wanted = Intent("run:1", "default", note, None)
        result = await apply_change(connection, wanted, Links(None), crm._notes)
        asking = asyncio.ensure_future(crm.find_operations((Operation.named("run:1"),)))
        await until(lambda: waiting_for_a_lock(engine))
        assert not asking.done()
        await connection.commit()
    assert await asking == {"run:1": result}


async def waiting_for_a_lock(engine: AsyncEngine) -> bool:
    query = text(
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' "
        "and datname = current_database())"
    )
    async with engine.connect() as connection:
        return bool(await connection.scalar(query))
