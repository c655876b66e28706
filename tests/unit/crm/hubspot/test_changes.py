"""What changed in a portal, and whether the mapping fits it."""

from datetime import UTC, datetime, timedelta

import pytest

from account_reviews.crm.field_check import ChecksMapping
from account_reviews.crm.hubspot.backend import HubSpotCrm
from account_reviews.crm.protocol import ListsChanges, MapsRecords
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.fakes.hubspot_properties import Property
from tests.support.hubspot import crm_of, make_fake, shipped_mapping


async def changed(crm: HubSpotCrm, since: datetime) -> list[RecordRef]:
    found: list[RecordRef] = []
    cursor = None
    while True:
        page = await crm.changed_records(since=since, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_records_of_every_kind_are_listed_with_their_versions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("account_reviews.crm.hubspot.changes._PAGE", 7)
    app = make_fake()
    crm = crm_of(app)
    found = await changed(crm, datetime.now(UTC) - timedelta(days=900))
    assert len(found) == 3 * (1 + 5 + 3 + 12 + 4 + 2)
    assert len({(one.type, one.id) for one in found}) == len(found)
    account = next(iter(app.state.objects["companies"]))
    shown = await crm.snapshot(account, as_of=datetime.now(UTC), limits=SnapshotLimits())
    versions = {one.id: one.version for one in found}
    assert versions[account] == shown.account.version
    assert all(versions[one.id] == one.version for one in (*shown.deals, *shown.activities))


async def test_only_what_changed_is_listed() -> None:
    app = make_fake()
    now = datetime.now(UTC)
    record = next(iter(app.state.objects["contacts"].values()))
    app.state.update(record, {"jobtitle": "CTO"}, now)
    found = await changed(crm_of(app), now - timedelta(minutes=2))
    assert [(one.type, one.id) for one in found] == [(RecordType.CONTACT, record.id)]


@pytest.mark.parametrize("cursor", ["quotes/1", "contacts/x", "1"])
async def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(BadInputError, match="is no place in HubSpot's changes"):
        await crm_of(make_fake()).changed_records(since=datetime.now(UTC), cursor=cursor)


async def test_a_portal_that_fits_has_no_problems() -> None:
    assert await crm_of(make_fake()).check_mapping() == ()


async def test_what_does_not_fit_is_named() -> None:
    app = make_fake(unique=False)
    known = app.state.properties
    del known["contacts"]["jobtitle"]
    known["companies"]["annualrevenue"] = Property("annualrevenue")
    known["companies"]["phone"] = Property("phone", read_only=True)
    stage = known["deals"]["dealstage"]
    known["deals"]["dealstage"] = Property(
        "dealstage", "enumeration", {**(stage.options or {}), "9912": "In legal"}
    )
    problems = await crm_of(app, shipped_mapping()).check_mapping()
    assert {(one.field, one.crm_field, one.found) for one in problems} == {
        ("contacts.title", "contacts.jobtitle", "no such field"),
        ("accounts.annual_revenue", "companies.annualrevenue", "a text"),
        ("accounts.phone", "companies.phone", "one that cannot"),
        ("deals.stage", "deals.dealstage", "'9912'"),
        ("notes.operation_id", "notes.review_operation_id", "none"),
        ("tasks.operation_id", "tasks.review_operation_id", "none"),
    }


async def test_it_does_what_is_optional_too() -> None:
    crm = crm_of(make_fake())
    assert isinstance(crm, MapsRecords)
    assert isinstance(crm, ListsChanges)
    assert isinstance(crm, ChecksMapping)
