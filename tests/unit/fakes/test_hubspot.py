"""The fake HubSpot: what it imitates of the real one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from account_reviews.fakes.faults import FaultPlan, FaultRule
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.hubspot import create_hubspot
from account_reviews.fakes.hubspot_access import (
    CLIENT_ID,
    CLIENT_SECRET,
    PRIVATE_TOKEN,
    REFRESH_TOKEN,
)
from tests.support.fakes import client_of

OBJECTS = "/crm/objects/2026-09"
NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
BEARER = {"Authorization": f"Bearer {PRIVATE_TOKEN}"}


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def make(
    *rules: dict[str, object], clock: Clock | None = None, accounts: int = 3, **extra: object
) -> FakeApp:
    plan = FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))
    options = FakeOptions(faults=plan, accounts=accounts, extra=extra, now=clock or Clock())
    return create_hubspot(options)


def asking(app: FakeApp) -> httpx2.AsyncClient:
    return client_of(app, headers=BEARER)


def first(app: FakeApp, kind: str = "companies") -> str:
    return str(next(iter(app.state.objects[kind])))


async def test_the_same_seed_gives_the_same_portal() -> None:
    one, other = make(), make()
    assert one.state.objects == other.state.objects
    assert len(one.state.objects["contacts"]) == 15


async def test_properties_have_to_be_named() -> None:
    app = make()
    async with asking(app) as client:
        bare = (await client.get(f"{OBJECTS}/companies/{first(app)}")).json()
        named = (await client.get(f"{OBJECTS}/0-2/{first(app)}?properties=name,nonsense")).json()
    assert set(bare["properties"]) == {"hs_object_id", "createdate", "hs_lastmodifieddate"}
    assert named["properties"]["name"]
    assert named["properties"]["nonsense"] is None


async def test_a_batch_names_what_it_lacks() -> None:
    app = make()
    body = {"inputs": [{"id": first(app)}, {"id": "17"}], "properties": ["name"]}
    async with asking(app) as client:
        answer = await client.post(f"{OBJECTS}/companies/batch/read", json=body)
        many = {"inputs": [{"id": str(n)} for n in range(101)]}
        too_many = await client.post(f"{OBJECTS}/companies/batch/read", json=many)
    assert answer.status_code == 207
    assert answer.json()["errors"][0]["context"] == {"ids": ["17"]}
    assert [one["id"] for one in answer.json()["results"]] == [first(app)]
    assert too_many.status_code == 400


async def search(client: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await client.post(f"{OBJECTS}/companies/search", json=body)


async def test_a_search_ends_after_ten_thousand() -> None:
    app = make(accounts=300, contacts=0, deals=0, activities=0, notes=0, tasks=0, searches=99)
    sorts = [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    async with asking(app) as client:
        page = (await search(client, limit=200, sorts=sorts)).json()
        above = [
            {"propertyName": "hs_object_id", "operator": "GT", "value": page["results"][-1]["id"]}
        ]
        rest = (await search(client, limit=200, filterGroups=[{"filters": above}])).json()
        past = await search(client, limit=200, after="9900")
    assert (page["total"], page["paging"]["next"]["after"]) == (300, "200")
    assert (rest["total"], "paging" in rest) == (100, False)
    assert past.status_code == 400


async def test_a_search_lags_behind_creates() -> None:
    clock = Clock()
    app = make({"action": "index_lag", "delay_ms": 5000, "match": {"method": "POST"}}, clock=clock)
    by_name = [{"propertyName": "name", "operator": "EQ", "value": "new one"}]
    async with asking(app) as client:
        body = {"properties": {"name": "New one"}}
        made = (await client.post(f"{OBJECTS}/companies", json=body)).json()["id"]
        early = (await search(client, filterGroups=[{"filters": by_name}])).json()
        read = await client.get(f"{OBJECTS}/companies/{made}")
        clock.now += timedelta(seconds=6)
        late = (await search(client, filterGroups=[{"filters": by_name}])).json()
    assert (early["total"], late["total"], read.status_code) == (0, 1, 200)


async def test_unique_values_are_refused_twice() -> None:
    app = make()
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 190}]
    values = {"hs_note_body": "x", "hs_timestamp": "1795163415000", "review_operation_id": "r:1"}
    body = {"properties": values, "associations": [{"to": {"id": first(app)}, "types": types}]}
    async with asking(app) as client:
        made = await client.post(f"{OBJECTS}/notes", json=body)
        again = await client.post(f"{OBJECTS}/notes", json=body)
        found = await client.get(
            f"{OBJECTS}/notes/r:1?idProperty=review_operation_id&associations=companies"
        )
        del values["hs_timestamp"]
        bare = await client.post(f"{OBJECTS}/notes", json=body)
    assert (made.status_code, again.status_code, bare.status_code) == (201, 409, 400)
    assert f"Existing ID: {made.json()['id']}" in again.json()["message"]
    assert found.json()["associations"]["companies"]["results"][0]["id"] == first(app)
    assert app.log.lines[0].operation_id == "r:1"


async def test_associations_come_in_pages() -> None:
    app = make(accounts=2, notes=501, contacts=0, deals=0, activities=0, tasks=0)
    path = "/crm/associations/2026-09/companies/notes/batch/read"
    async with asking(app) as client:
        page = (await client.post(path, json={"inputs": [{"id": first(app)}]})).json()["results"][0]
        after = page["paging"]["next"]["after"]
        rest = await client.post(path, json={"inputs": [{"id": first(app), "after": after}]})
        none = await client.post(path, json={"inputs": [{"id": "17"}]})
    assert (len(page["to"]), len(rest.json()["results"][0]["to"])) == (500, 1)
    assert (none.status_code, none.json()["numErrors"]) == (207, 1)


async def test_a_token_lives_half_an_hour_and_is_asked_for_in_the_body() -> None:
    clock = Clock()
    app = make(clock=clock)
    form = {
        "grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        "refresh_token": REFRESH_TOKEN,
    }  # fmt: skip
    async with client_of(app) as client:
        in_query = await client.post("/oauth/2026-09/token", params=form)
        wrong = await client.post("/oauth/2026-09/token", data={**form, "refresh_token": "x"})
        granted = (await client.post("/oauth/2026-09/token", data=form)).json()
        headers = {"Authorization": f"Bearer {granted['access_token']}"}
        good = await client.get(f"{OBJECTS}/companies", headers=headers)
        clock.now += timedelta(seconds=1801)
        late = await client.get(f"{OBJECTS}/companies", headers=headers)
        odd = await client.get(f"{OBJECTS}/companies", headers={"Authorization": "Bearer not-one!"})
    assert (in_query.status_code, wrong.status_code, granted["expires_in"]) == (400, 400, 1800)
    assert (good.status_code, late.status_code, odd.status_code) == (200, 401, 530)
    assert late.json()["category"] == "EXPIRED_AUTHENTICATION"


@pytest.mark.parametrize(
    ("extra", "path", "policy"),
    [
        ({"burst": 1}, f"{OBJECTS}/companies", "TEN_SECONDLY_ROLLING"),
        ({"daily": 1}, f"{OBJECTS}/companies", "DAILY"),
    ],
)
async def test_limits_have_names(extra: dict[str, int], path: str, policy: str) -> None:
    clock = Clock()
    app = make(clock=clock, **extra)
    async with asking(app) as client:
        assert (await client.get(path)).headers["x-hubspot-ratelimit-remaining"]
        refused = await client.get(path)
        clock.now += timedelta(days=1, seconds=1)
        again = await client.get(path)
    assert (refused.status_code, refused.json()["policyName"]) == (429, policy)
    assert again.status_code == 200


async def test_a_missing_scope_is_named() -> None:
    app = make(scopes=["crm.objects.companies.read"])
    async with asking(app) as client:
        refused = await client.patch(f"{OBJECTS}/companies/{first(app)}", json={"properties": {}})
    assert refused.status_code == 403
    scopes = refused.json()["errors"][0]["context"]["requiredGranularScopes"]
    assert scopes == ["crm.objects.companies.write"]


async def test_a_merged_company_is_the_other_one() -> None:
    app = make()
    one, other = list(app.state.objects["companies"])[:2]
    app.state.merge("companies", one, other)
    async with asking(app) as client:
        found = (await client.get(f"{OBJECTS}/companies/{one}?associations=contacts")).json()
    assert found["id"] == other
    assert len(found["associations"]["contacts"]["results"]) == 10


async def test_a_batch_of_writes_answers_for_each() -> None:
    app = make({"action": "element_error", "code": "INVALID_OPTION"})
    ids = list(app.state.objects["companies"])[:2]
    inputs = [{"id": one, "properties": {"phone": "1"}} for one in ids]
    async with asking(app) as client:
        path = f"{OBJECTS}/companies/batch/update"
        answer = await client.post(path, json={"inputs": inputs})
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)
    assert [one["id"] for one in answer.json()["results"]] == ids[1:]


async def test_histories_come_newest_first() -> None:
    app = make()
    deal = first(app, "deals")
    body = {"inputs": [{"id": deal}], "propertiesWithHistory": ["dealstage"], "properties": []}
    async with asking(app) as client:
        values = {"properties": {"dealstage": "closedlost"}}
        await client.patch(f"{OBJECTS}/deals/{deal}", json=values)
        answer = await client.post(f"{OBJECTS}/deals/batch/read", json=body)
        names = {"properties": {"dealstage": "nowhere"}}
        refused = await client.patch(f"{OBJECTS}/deals/{deal}", json=names)
    history = answer.json()["results"][0]["propertiesWithHistory"]["dealstage"]
    assert (history[0]["value"], history[-1]["value"]) == ("closedlost", "appointmentscheduled")
    assert refused.json()["errors"][0]["code"] == "INVALID_OPTION"
