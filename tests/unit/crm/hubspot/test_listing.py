"""Lists of companies, also where searches end and lag."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from account_reviews.crm.hubspot.backend import HubSpotCrm
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.errors import BadInputError, CrmUnavailableError, CrmUnreadableError
from account_reviews.domain.records import AccountStatus
from account_reviews.fakes import hubspot_search
from account_reviews.fakes.framework import FakeApp
from tests.support.hubspot import crm_of, make_fake, plan, shipped_mapping

BARE = {"contacts": 0, "deals": 0, "activities": 0, "notes": 0, "tasks": 0}
RECENTLY = datetime.now(UTC) - timedelta(hours=1)


def ids(app: FakeApp) -> list[str]:
    return list(app.state.objects["companies"])


async def listed(crm: HubSpotCrm, *, limit: int = 200, **where: Any) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await crm.list_accounts(AccountFilter(**where), cursor=cursor, limit=limit)
        found += [one.id for one in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_all_are_listed_past_the_end_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with 12,000 companies of which 10,500 were changed by one import."""
    monkeypatch.setattr(hubspot_search, "_MOST", 200)
    app = make_fake(accounts=260, same_time=230, **BARE)
    crm = crm_of(app)
    assert await listed(crm, limit=50) == ids(app)
    long_ago = datetime.now(UTC) - timedelta(days=4)
    assert await listed(crm, limit=50, changed_since=long_ago) == ids(app)[:230]


@pytest.mark.parametrize("limit", [1, 7, 200, 250, 1000])
async def test_pages_of_any_size_hold_each_once(limit: int) -> None:
    app = make_fake(accounts=20 if limit == 1 else 260, **BARE)
    assert await listed(crm_of(app), limit=limit) == ids(app)


async def test_a_company_is_changed_while_pages_are_read() -> None:
    app = make_fake(accounts=10, **BARE)
    crm = crm_of(app)
    page = await crm.list_accounts(AccountFilter(), limit=5)
    record = app.state.find("companies", ids(app)[0])
    app.state.update(record, {"phone": "1"}, datetime.now(UTC))
    app.state.remove("companies", ids(app)[7])
    rest = await crm.list_accounts(AccountFilter(), cursor=page.next_cursor, limit=5)
    assert [one.id for one in (*page.items, *rest.items)] == ids(app)


@pytest.mark.parametrize(("kind", "field"), [("contacts", "jobtitle"), ("deals", "amount"),
                                             ("tasks", "hs_task_subject")])  # fmt: skip
async def test_a_change_of_a_record_is_one_of_its_account(kind: str, field: str) -> None:
    app = make_fake()
    crm = crm_of(app)
    assert await listed(crm, changed_since=RECENTLY) == []
    record = next(iter(app.state.objects[kind].values()))
    app.state.update(record, {field: "7"}, datetime.now(UTC))
    again = RECENTLY + timedelta(seconds=1)
    assert await listed(crm, changed_since=again) == ids(app)[:1]
    assert await listed(crm, changed_since=again, account_ids=tuple(ids(app))) == ids(app)[:1]
    assert await listed(crm, changed_since=again, limit=1) == ids(app)[:1]


async def test_what_changed_in_a_record_stands_between_those_that_changed() -> None:
    app = make_fake(accounts=9)
    now = datetime.now(UTC)
    companies = app.state.objects["companies"]
    for n in (0, 2, 4, 6):
        app.state.update(companies[ids(app)[n]], {"phone": "1"}, now)
    for n in (1, 4, 8):
        (note, *_) = app.state.associated("companies", ids(app)[n], "notes")
        app.state.update(app.state.find("notes", note), {"hs_note_body": "new"}, now)
    wanted = [ids(app)[n] for n in (0, 1, 2, 4, 6, 8)]
    for limit in (1, 2, 3, 200):
        assert await listed(crm_of(app), changed_since=RECENTLY, limit=limit) == wanted


async def test_what_was_found_out_is_kept_when_a_call_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("account_reviews.crm.hubspot.changes._PAGE", 10)
    app = make_fake(accounts=5)
    crm = crm_of(app)
    long_ago = datetime.now(UTC) - timedelta(days=900)
    app.faults.set_plan(plan({"action": "status", "status": 503, "after": 2, "times": 1}))
    with pytest.raises(CrmUnavailableError):
        await crm.list_accounts(AccountFilter(changed_since=long_ago))
    before = len(app.log.lines)
    app.faults.set_plan(plan())
    assert await listed(crm, changed_since=long_ago) == ids(app)
    first_again = app.log.lines[before]
    assert first_again.path.endswith("/contacts/search")
    assert app.log.lines[0].records != first_again.records


async def test_statuses_that_are_unknown_are_always_taken() -> None:
    app = make_fake(accounts=4, **BARE)
    texts = ("Active", "Closed", "", "At Risk")
    for one, text in zip(app.state.objects["companies"].values(), texts, strict=True):
        one.properties["account_status"] = text
    crm = crm_of(app)
    active = (AccountStatus.ACTIVE,)
    assert await listed(crm, statuses=active) == [ids(app)[0], ids(app)[2]]
    assert await listed(crm, statuses=tuple(AccountStatus)) == ids(app)
    del app.state.properties["companies"]["account_status"]
    assert await listed(crm_of(app, shipped_mapping()), statuses=active) == ids(app)


async def test_segments_and_owners_are_those_of_the_portal() -> None:
    app = make_fake(accounts=10, **BARE)
    crm = crm_of(app)
    by_segment = [
        await listed(crm, segment=one) for one in ("Enterprise", "Mid-Market", "SMB", "None")
    ]
    assert sorted(one for some in by_segment for one in some) == ids(app)
    assert by_segment[3] == []
    assert await listed(crm, owner="Ada Nakamura") == [ids(app)[0], ids(app)[5]]
    assert await listed(crm, owner="70000001", account_ids=(ids(app)[1],)) == []
    assert await listed(crm_of(app, shipped_mapping()), segment="Enterprise") == []


async def test_accounts_are_read_by_id_though_a_search_lags() -> None:
    app = make_fake(index_lag_ms=60_000)
    made = app.state.create("companies", {"name": "New"}, (), datetime.now(UTC))
    crm = crm_of(app)
    assert made.id not in await listed(crm)
    assert await listed(crm, account_ids=(made.id, "17", "no id")) == [made.id]


async def test_a_merged_account_is_listed_as_the_one_that_remains() -> None:
    app = make_fake(**BARE)
    one, other, third = ids(app)
    app.state.merge("companies", one, other)
    crm = crm_of(app)
    assert await listed(crm) == [other, third]
    assert await listed(crm, account_ids=(one,)) == [other]
    assert await listed(crm, account_ids=(one, other), limit=1) == [other]


@pytest.mark.parametrize("cursor", ["next", "-1", "1e5", "٣"])
async def test_a_cursor_of_another_list_is_refused(cursor: str) -> None:
    with pytest.raises(BadInputError, match="is no place in a list"):
        await crm_of(make_fake()).list_accounts(AccountFilter(), cursor=cursor)


@pytest.mark.parametrize(
    "body",
    [
        {"total": 2, "results": [{"id": "9", "properties": {}}, {"id": "8", "properties": {}}]},
        {"total": 1, "results": [{"id": "5", "properties": {}}]},
        {"results": [{"id": "11", "properties": {}}]},
    ],
)
async def test_a_search_that_goes_round_in_circles_ends(body: dict[str, Any]) -> None:
    app = make_fake({"match": {"path": "*/search"}, "action": "malformed", "body": body})
    with pytest.raises(CrmUnreadableError, match="no sense when asked to search companies"):
        await crm_of(app).list_accounts(AccountFilter(), cursor="7")
