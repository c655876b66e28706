"""Reading Zoho CRM: everything, in few calls, and what cannot be read is told."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from account_reviews.crm.field_mapping import load_field_mapping, parse_field_mapping
from account_reviews.crm.protocol import AccountFilter, Wanted
from account_reviews.domain.errors import (
    AccountNotFoundError,
    BadInputError,
    CrmOfAnotherTenantError,
    CrmUnreadableError,
)
from account_reviews.domain.records import DealStage, RecordRef, RecordType, SnapshotLimits
from account_reviews.fakes.zoho.schema import Field
from tests.support.zoho_crm import ZohoStage, ids_of, stage

LIMITS = SnapshotLimits()


def now() -> datetime:
    return datetime.now(UTC)


async def listed(on: ZohoStage, **where: Any) -> list[str]:
    """Ids of all accounts that fit, over all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = await on.crm.list_accounts(AccountFilter(**where), cursor=cursor, limit=2)
        found += ids_of(page.items)
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_cycle_takes_few_calls() -> None:
    """At most 0.3 reads per account, cold: metadata, users and notes included."""
    on = stage(accounts=200)
    ids = list(on.org.rows["Accounts"])
    for n in range(0, 200, 100):
        found = await on.crm.snapshots(ids[n : n + 100], as_of=now(), limits=LIMITS)
        assert len(found) == 100
    assert len(on.paths()) <= 60
    whole = found[ids[-1]]
    assert {kind.value: total for kind, total in whole.totals.items()} == {
        "contact": 5, "deal": 3, "activity": 12, "note": 4, "task": 1,
    }  # fmt: skip


async def test_fields_are_named_and_more_than_fifty_are_merged() -> None:
    """No request names more than 50 fields; nothing is cut off without a word."""
    on = stage(accounts=2)
    for number in range(120):
        on.org.add_field("Accounts", Field(f"cf_{number}", custom=True))
    account = next(iter(on.org.rows["Accounts"].values()))
    account.values |= {f"cf_{number}": f"value {number}" for number in range(120)}
    found = await on.crm.snapshot(account.id, as_of=now(), limits=LIMITS)
    free = {name for name in found.account.custom if name.startswith("cf_")}
    assert len(free) == 120
    (shown,) = await on.crm.read_back(
        (Wanted(record=RecordRef(type=RecordType.ACCOUNT, id=account.id), fields=("phone",)),)
    )
    assert shown == {"phone": account.values["Phone"]}


async def test_lists_go_on_past_two_thousand() -> None:
    """By token where page numbers end: every account, each once."""
    on = stage(accounts=1)
    first = next(iter(on.org.rows["Accounts"].values()))
    at = on.clock.now() - timedelta(days=1)
    for number in range(2_250):
        on.org.insert("Accounts", {"Account_Name": f"More {number}"}, at, lag_s=0, quiet=True)
    first.modified = at
    since = on.clock.now() - timedelta(days=2)
    changed = await on.crm._changes.since(since, anew=True)
    assert changed >= set(on.org.rows["Accounts"])
    page = await on.crm.list_accounts(AccountFilter(), limit=1000)
    seen = ids_of(page.items)
    while page.next_cursor is not None:
        page = await on.crm.list_accounts(AccountFilter(), cursor=page.next_cursor, limit=1000)
        seen += ids_of(page.items)
    assert seen == sorted(on.org.rows["Accounts"])


async def test_what_changed_is_listed_by_whatever_record_of_it() -> None:
    """A change within the second of the moment that is asked for is not missed."""
    on = stage(accounts=6)
    accounts = list(on.org.rows["Accounts"])
    for rows in on.org.rows.values():
        for row in rows.values():
            row.modified = on.clock.now() - timedelta(days=30)
    since = on.clock.now()
    assert await listed(on, changed_since=since) == []
    deal = next(on.org.children("Deals", "Account_Name", accounts[1]))
    on.org.update(deal, {"Amount": 7}, since.replace(microsecond=0))
    note = next(on.org.children("Notes", "Parent_Id", accounts[3]))
    on.org.update(note, {"Note_Title": "x"}, on.clock.now())
    assert await listed(on, changed_since=since) == [accounts[1], accounts[3]]
    wanted = (accounts[3], accounts[5])
    assert await listed(on, changed_since=since, account_ids=wanted) == [accounts[3]]


async def test_nothing_and_not_modified_have_no_body() -> None:
    """204 and 304 are empty lists."""
    on = stage(accounts=0)
    assert await listed(on) == []
    assert await listed(on, changed_since=on.clock.now()) == []
    with pytest.raises(AccountNotFoundError, match="has no account '1234567890123'"):
        await on.crm.snapshot("1234567890123", as_of=now(), limits=LIMITS)
    with pytest.raises(AccountNotFoundError):
        await on.crm.snapshot("../users", as_of=now(), limits=LIMITS)


async def test_a_field_the_org_does_not_have_is_unknown_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All else is read; `crm check` names it."""
    on = stage()
    on.org.drop_field("Accounts", "Renewal_Date")
    on.org.drop_field("Tasks", "Review_Operation_Id")
    account = next(iter(on.org.rows["Accounts"]))
    with caplog.at_level(logging.WARNING):
        found = await on.crm.snapshot(account, as_of=now(), limits=LIMITS)
    assert found.account.renewal_date is None
    assert found.account.phone is not None
    assert "Accounts.Renewal_Date: the org has no such field" in caplog.text
    problems = await on.crm.check_mapping()
    assert [(one.crm_field, one.found) for one in problems] == [
        ("Accounts.Renewal_Date", "no such field"), ("Tasks.Review_Operation_Id", "none"),
    ]  # fmt: skip


async def test_a_field_that_queries_refuse_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The metadata has it, queries do not: one field degrades, not the module."""
    on = stage(
        {
            "match": {"method": "POST", "path": "*/coql"}, "times": 1, "action": "status",
            "status": 400, "body": {
                "code": "INVALID_QUERY", "details": {"column_name": "Industry"},
                "message": "column given seems to be invalid", "status": "error",
            },
        }
    )  # fmt: skip
    account = next(iter(on.org.rows["Accounts"]))
    found = await on.crm.snapshot(account, as_of=now(), limits=LIMITS)
    assert (found.account.industry, found.account.name) == (None, "Amber Freight")
    assert "Accounts.Industry: queries do not take this field" in caplog.text


async def test_metadata_that_lacks_a_type_degrades_one_field() -> None:
    """It is read all the same, and told by `crm check`."""
    on = stage()
    on.org.add_field("Accounts", Field("Phone", "something new"))
    account = next(iter(on.org.rows["Accounts"]))
    found = await on.crm.snapshot(account, as_of=now(), limits=LIMITS)
    assert found.account.phone is not None
    problems = await on.crm.check_mapping()
    assert [(one.field, one.found) for one in problems] == [
        ("accounts.phone", "a field of which the CRM gives no type")
    ]


async def test_without_the_right_to_look_fields_up_all_are_asked_for() -> None:
    """The scope for the metadata is missing: reviews go on."""
    on = stage()
    on.app.state.tokens.scopes = frozenset(
        {"ZohoCRM.modules.ALL", "ZohoCRM.coql.READ", "ZohoCRM.users.READ"}
    )
    account = next(iter(on.org.rows["Accounts"]))
    found = await on.crm.snapshot(account, as_of=now(), limits=LIMITS)
    assert len(found.contacts) == 5


async def test_a_word_nobody_translates_makes_its_account_unreadable() -> None:
    """It is named; in a bulk read the others are there."""
    on = stage(accounts=2)
    first, second = on.org.rows["Accounts"]
    deal = next(on.org.children("Deals", "Account_Name", first))
    deal.values["Stage"] = "Shaken hands"
    with pytest.raises(CrmUnreadableError, match="'Shaken hands', which the mapping") as caught:
        await on.crm.snapshot(first, as_of=now(), limits=LIMITS)
    assert deal.id in caught.value.message
    assert list(await on.crm.snapshots([first, second], as_of=now(), limits=LIMITS)) == [second]


async def test_more_than_the_limits_are_counted_not_read_in_vain() -> None:
    """The newest are shown, and the total is that of the CRM."""
    on = stage(accounts=2)
    first, second = on.org.rows["Accounts"]
    at = on.clock.now() - timedelta(days=3)
    for number in range(1_300):
        call = {"Subject": f"{number}", "Call_Start_Time": at.isoformat(), "What_Id": first}
        on.org.insert("Calls", call, at, quiet=True)
    found = await on.crm.snapshots([first, second], as_of=now(), limits=LIMITS)
    assert found[first].totals[RecordType.ACTIVITY] == 1_312
    assert len(found[first].activities) == 100
    assert found[second].totals[RecordType.ACTIVITY] == 12


async def test_an_account_with_very_many_records_is_cut_and_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only the newest are read; how many there are is asked."""
    from account_reviews.crm.zoho import reads

    monkeypatch.setattr(reads, "_MOST_PAGES", 1)
    on = stage(accounts=2)
    first, second = on.org.rows["Accounts"]
    at = on.clock.now() - timedelta(days=3)
    for number in range(1_100):
        call = {"Subject": f"{number}", "Call_Start_Time": at.isoformat(), "What_Id": first}
        on.org.insert("Calls", call, at, quiet=True)
    found = await on.crm.snapshots([first, second], as_of=now(), limits=LIMITS)
    assert found[first].totals[RecordType.ACTIVITY] == 1_112
    assert found[second].totals[RecordType.ACTIVITY] == 12


async def test_notes_are_read_anew_where_they_changed() -> None:
    """What is kept of the list of all notes holds, or is read again."""
    on = stage(accounts=3)
    ids = list(on.org.rows["Accounts"])

    async def notes() -> dict[str, list[str]]:
        found = await on.crm.snapshots(ids, as_of=now(), limits=LIMITS)
        return {one: sorted(ids_of(found[one].notes)) for one in ids}

    before = await notes()
    assert [len(found) for found in before.values()] == [4, 4, 4]
    kept = len(on.paths())
    gone = on.org.find("Notes", before[ids[0]][0])
    on.org.delete(gone, on.clock.now())
    made = on.org.insert(
        "Notes", {"Note_Content": "x", "Parent_Id": ids[1]}, on.clock.now(), quiet=True
    )
    after = await notes()
    assert gone.id not in after[ids[0]]
    assert made.id in after[ids[1]]
    assert len(on.paths()) - kept < kept


async def test_of_another_tenant_nothing_is_asked() -> None:
    on = stage(tenant="acme")
    await on.crm.of("acme").list_accounts(AccountFilter())
    with pytest.raises(CrmOfAnotherTenantError, match="belongs to 'acme', not to 'other'"):
        await on.crm.of("other").list_accounts(AccountFilter())
    with pytest.raises(BadInputError, match="is no cursor"):
        await on.crm.list_accounts(AccountFilter(), cursor="x'; drop")


def test_a_mapping_that_zoho_cannot_be_asked_by() -> None:
    """Names go into queries, so they are held to what the API calls things."""
    from account_reviews.crm.zoho.mapping_file import check_names

    check_names(load_field_mapping(None, shipped="zoho"))
    account = {"module": "Accounts", "record": "account", "fields": {"name": "Account_Name"}}
    for document, said in (
        ({"modules": [{**account, "fields": {"name": "Name, Owner"}}]}, "no API name of Zoho"),
        ({"modules": [account], "options": {"trigger": ["all"]}}, "the option trigger"),
        ({"modules": [account], "options": {"triggers": []}}, "unknown option 'triggers'"),
        (
            {"modules": [account, {"module": "C", "record": "contact", "fields": {"name": "N"}}]},
            "the mapping of C has no account_id",
        ),
    ):
        with pytest.raises(BadInputError, match=said):
            check_names(parse_field_mapping(document, "m.yaml"))


async def test_belongings_and_stages_of_records() -> None:
    """Whose a record is, for what webhooks tell of."""
    on = stage()
    account = next(iter(on.org.rows["Accounts"]))
    deal = next(on.org.children("Deals", "Account_Name", account))
    call = next(on.org.children("Calls", "What_Id", account))
    refs = (
        RecordRef(type=RecordType.DEAL, id=deal.id),
        RecordRef(type=RecordType.ACTIVITY, id=call.id),
        RecordRef(type=RecordType.ACCOUNT, id=account),
        RecordRef(type=RecordType.NOTE, id="5843104000000000000"),
    )
    found = await on.crm.accounts_of(refs)
    assert [one and one.account_id for one in found] == [account, account, account, None]
    snapshot = await on.crm.snapshot(account, as_of=now(), limits=LIMITS)
    shown = next(one for one in snapshot.deals if one.id == deal.id)
    assert found[0] is not None
    assert found[0].version == shown.version
    assert shown.stage in DealStage
