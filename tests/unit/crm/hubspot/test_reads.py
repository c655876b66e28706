"""Snapshots of a portal, also of an odd one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from account_reviews.crm.hubspot.backend import HubSpotCrm
from account_reviews.crm.protocol import Wanted
from account_reviews.domain.errors import (
    AccountNotFoundError,
    CrmAuthError,
    CrmError,
    CrmInvalidError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.records import AccountSnapshot, RecordRef, RecordType, SnapshotLimits
from account_reviews.fakes.framework import FakeApp
from account_reviews.fakes.hubspot_properties import Property
from tests.support.hubspot import crm_of, full_mapping, make_fake, plan

LIMITS = SnapshotLimits()


def first(app: FakeApp, kind: str = "companies") -> str:
    return str(next(iter(app.state.objects[kind])))


def companies(app: FakeApp) -> list[str]:
    return list(app.state.objects["companies"])


async def read(crm: HubSpotCrm, account_id: str) -> AccountSnapshot:
    return await crm.snapshot(account_id, as_of=datetime.now(UTC), limits=LIMITS)


async def test_a_snapshot_holds_what_a_portal_knows() -> None:
    app = make_fake()
    found = await read(crm_of(app), first(app))
    counted = (len(found.contacts), len(found.deals), len(found.activities), len(found.notes))
    assert counted == (5, 3, 12, 4)
    assert found.totals[RecordType.ACTIVITY] == 12
    assert found.owner is not None
    assert found.owner.name == "Ada Nakamura"
    assert found.notes[0].content.startswith("Note ")
    assert "<" not in found.notes[0].content
    assert all(one.stage_history and one.stage_changed_at for one in found.deals)
    assert (found.source, found.account.version) == ("hubspot", found.account.version)


async def test_a_hundred_accounts_take_few_calls() -> None:
    app = make_fake(accounts=100)
    crm = crm_of(app)
    found = await crm.snapshots(companies(app), as_of=datetime.now(UTC), limits=LIMITS)
    assert len(found) == 100
    assert len(app.log.lines) <= 45
    alone = await read(crm, companies(app)[7])
    assert alone.deals == found[companies(app)[7]].deals


async def test_an_account_with_thousands_of_activities_is_cut_and_counted() -> None:
    app = make_fake(accounts=1, activities=3000, contacts=0, deals=0, notes=0, tasks=0)
    found = await read(crm_of(app), first(app))
    assert (len(found.activities), found.totals[RecordType.ACTIVITY]) == (100, 3000)
    marks = {mark.id for mark in found.activity_marks}
    assert {one.id for one in found.activities} <= marks


async def test_an_account_that_was_merged_is_the_one_that_remains() -> None:
    app = make_fake()
    one, other, *_ = companies(app)
    app.state.merge("companies", one, other)
    crm = crm_of(app)
    found = await read(crm, one)
    assert (found.account.id, len(found.contacts)) == (other, 10)
    bulk = await crm.snapshots((one, other), as_of=datetime.now(UTC), limits=LIMITS)
    assert list(bulk) == [other]


@pytest.mark.parametrize("account_id", ["17", "no id", "../../owners", "1" * 40, ""])
async def test_an_account_that_is_not_there(account_id: str) -> None:
    app = make_fake()
    with pytest.raises(AccountNotFoundError, match="the CRM has no account"):
        await read(crm_of(app), account_id)
    assert all(line.path.startswith("/crm/objects/2026-09/companies") for line in app.log.lines)


async def test_an_account_is_deleted_while_it_is_read() -> None:
    """Its records go with it: what is left is still read, and the next time it is not found."""
    app = make_fake()
    account = first(app)
    crm = crm_of(app)
    app.state.remove("companies", account)
    with pytest.raises(AccountNotFoundError):
        await read(crm, account)
    assert len(await crm.snapshots(companies(app), as_of=datetime.now(UTC), limits=LIMITS)) == 2


async def test_a_deal_that_nobody_can_read_is_named_and_holds_up_no_other_account() -> None:
    app = make_fake()
    deal = first(app, "deals")
    odd = {"dealstage": "99", "hs_is_closed": "false", "hs_is_closed_won": "false"}
    app.state.objects["deals"][deal].properties |= odd
    crm = crm_of(app)
    with pytest.raises(CrmUnreadableError, match=f"the deal '{deal}' of HubSpot cannot be read"):
        await read(crm, first(app))
    found = await crm.snapshots(companies(app), as_of=datetime.now(UTC), limits=LIMITS)
    assert sorted(found) == sorted(companies(app)[1:])


async def test_a_record_of_five_megabytes_and_names_in_any_script() -> None:
    app = make_fake()
    company = app.state.objects["companies"][first(app)]
    company.properties |= {"name": "שלום 👩‍🚀 \u202eevil", "description": "x" * 5_000_000}
    note = app.state.objects["notes"][first(app, "notes")]
    note.properties["hs_note_body"] = "<p>" + "ü" * 2_500_000 + "</p>"
    found = await read(crm_of(app), company.id)
    assert found.account.name == "שלום 👩‍🚀 \u202eevil"
    assert max(len(one.content) for one in found.notes) <= 100_000


async def test_a_clock_that_is_off_changes_nothing() -> None:
    """What HubSpot dates is read by its own clock; a record of its future is not shown yet."""
    app = make_fake()
    note = app.state.objects["notes"][first(app, "notes")]
    note.properties["hs_timestamp"] = (datetime.now(UTC) + timedelta(minutes=10)).isoformat()
    found = await read(crm_of(app), first(app))
    assert len(found.notes) == 3


async def test_free_fields_are_read_by_their_prefix() -> None:
    app = make_fake()
    app.state.properties["companies"]["cf_tier"] = Property("cf_tier", custom=True)
    app.state.objects["companies"][first(app)].properties["cf_tier"] = "Gold"
    mapping = full_mapping().model_copy(update={"custom_prefixes": ("cf_",)})
    found = await read(crm_of(app, mapping), first(app))
    assert found.account.custom == {"cf_tier": "Gold"}


FAULTS: list[tuple[dict[str, Any], type[CrmError], str]] = [
    ({"action": "status", "status": 503}, CrmUnavailableError, "answers 503"),
    ({"action": "status", "status": 502, "body": "<html>bad</html>"}, CrmUnavailableError, "502"),
    ({"action": "malformed", "body": "<html>sign in</html>"}, CrmUnavailableError, "web page"),
    ({"action": "malformed", "body": '{"results": [{"id": '}, CrmUnavailableError, "no JSON"),
    ({"action": "malformed", "body": {"status": "error"}}, CrmUnreadableError, "no sense"),
    ({"action": "malformed", "body": {"results": [{"id": 1}]}}, CrmUnreadableError, "no sense"),
    ({"action": "malformed", "body": {"results": ["a"]}}, CrmUnreadableError, "no sense"),
    ({"action": "malformed", "body": ""}, CrmUnreadableError, "no sense"),
    ({"action": "drop_before"}, CrmUnavailableError, "broke the connection off"),
    ({"action": "status", "status": 530}, CrmAuthError, "530"),
    ({"action": "status", "status": 403, "code": "crm.objects.notes.read"},
     CrmPermissionError, r"lacks the scope crm\.objects\.notes\.read"),
    ({"action": "status", "status": 429, "code": "DAILY"}, CrmRateLimitedError, "slow down"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "kind", "said"), FAULTS)
@pytest.mark.parametrize("path", ["*/companies/batch/read", "*/notes/batch/read"])
async def test_whatever_goes_wrong_is_said_as_what_it_is(
    fault: dict[str, Any], kind: type[CrmError], said: str, path: str
) -> None:
    app = make_fake({**fault, "match": {"path": path}})
    with pytest.raises(kind, match=said) as caught:
        await read(crm_of(app), first(app))
    assert type(caught.value) is kind
    assert "pat-" not in str(caught.value)
    if isinstance(caught.value, CrmRateLimitedError):
        assert caught.value.retry_after == 3600


async def test_a_missing_scope_is_named_by_the_portal_itself() -> None:
    app = make_fake(scopes=["crm.objects.companies.read", "crm.objects.owners.read"])
    with pytest.raises(CrmPermissionError, match=r"crm\.objects\.(contacts|deals)\.read"):
        await read(crm_of(app), first(app))


async def test_fields_are_read_back_in_order() -> None:
    app = make_fake()
    crm = crm_of(app)
    company, deal = first(app), first(app, "deals")
    app.log.lines.clear()
    wanted = (
        Wanted(record=RecordRef(type=RecordType.DEAL, id=deal), fields=("amount",)),
        Wanted(record=RecordRef(type=RecordType.ACCOUNT, id="17"), fields=("phone",)),
        Wanted(record=RecordRef(type=RecordType.ACCOUNT, id=company), fields=("phone",)),
    )
    found = await crm.read_back(wanted)
    assert found[1] is None
    assert found[2] == {"phone": "+1 555 0000000"}
    assert found[0] is not None
    assert len(app.log.lines) == 2
    with pytest.raises(CrmInvalidError, match="no field 'colour'"):
        await crm.read_back(
            (Wanted(record=RecordRef(type=RecordType.ACCOUNT, id=company), fields=("colour",)),)
        )


async def test_it_knows_whose_a_record_is() -> None:
    app = make_fake()
    one, other, third = companies(app)
    crm = crm_of(app)
    snapshot = await read(crm, one)
    app.state.merge("companies", third, other)
    refs = [
        RecordRef(type=RecordType.DEAL, id=snapshot.deals[0].id),
        RecordRef(type=RecordType.ACCOUNT, id=one),
        RecordRef(type=RecordType.ACCOUNT, id=third),
        RecordRef(type=RecordType.NOTE, id="17"),
        *(RecordRef(type=RecordType.ACTIVITY, id=item.id) for item in snapshot.activities),
    ]
    found = await crm.accounts_of(refs)
    deal, account, merged, gone, *activities = found
    assert deal is not None
    assert (deal.account_id, deal.version) == (one, snapshot.deals[0].version)
    assert account is not None
    assert (account.account_id, account.version) == (one, snapshot.account.version)
    assert merged is not None
    assert merged.account_id == other
    assert gone is None
    assert {item.account_id for item in activities if item is not None} == {one}
    assert None not in activities


async def test_an_owner_who_came_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_fake()
    crm = crm_of(app)
    assert await crm.has_owner("70000001")
    assert not await crm.has_owner("70000005"), "one who has left"
    owner = {**app.state.owners["70000001"], "id": "70000009", "firstName": "New"}
    app.state.owners["70000009"] = owner
    assert not await crm.has_owner("70000009"), "asked a moment ago"
    monkeypatch.setattr("account_reviews.crm.hubspot.portal._ASKED_AGAIN", 0.0)
    assert await crm.has_owner("70000009")
    assert (await crm.find_owner("New Nakamura")) is not None


async def test_an_outage_that_ends_is_over() -> None:
    app = make_fake({"action": "status", "status": 503})
    crm = crm_of(app)
    assert not (await crm.health()).ok
    app.faults.set_plan(plan())
    assert (await crm.health()).ok
