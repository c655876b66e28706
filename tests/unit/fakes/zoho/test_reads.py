"""Lists, pages, related lists, searches and queries of the fake Zoho."""

from typing import Any

import httpx2
import pytest

from tests.support.fake_zoho import NOW, Clock, make_zoho, signed_in, state_of


async def query(client: httpx2.AsyncClient, text: str) -> httpx2.Response:
    return await client.post("coql", json={"select_query": text})


async def test_fields_have_to_be_named_and_are_fifty_at_most() -> None:
    async with signed_in(make_zoho()) as client:
        assert (await client.get("Accounts")).json()["code"] == "REQUIRED_PARAM_MISSING"
        many = ",".join(f"f{number}" for number in range(51))
        assert (await client.get("Accounts", params={"fields": many})).status_code == 400
        found = (await client.get("Accounts", params={"fields": "Account_Name,Nothing"})).json()
    assert set(found["data"][0]) == {"id", "Account_Name"}


async def test_pages_by_number_end_at_2000_and_go_on_by_token() -> None:
    app = make_zoho(accounts=0)
    org = state_of(app).org
    for number in range(2_150):
        org.insert("Accounts", {"Account_Name": f"A{number}"}, NOW, quiet=True)
    async with signed_in(app) as client:
        asked: dict[str, Any] = {"fields": "id", "per_page": 200}
        late = await client.get("Accounts", params={**asked, "page": 11})
        assert late.status_code == 400
        seen: list[str] = []
        token: str | None = None
        while True:
            more = {} if token is None else {"page_token": token}
            page = (await client.get("Accounts", params={**asked, **more})).json()
            seen += [one["id"] for one in page["data"]]
            if not page["info"]["more_records"]:
                break
            token = page["info"]["next_page_token"]
        both = await client.get("Accounts", params={**asked, "page": 2, "page_token": token})
        assert both.status_code == 400
    assert len(seen) == len(set(seen)) == 2_150


async def test_nothing_is_204_and_nothing_new_is_304() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    async with signed_in(app) as client:
        asked = {"fields": "id"}
        since = {"If-Modified-Since": clock.at.isoformat()}
        assert (await client.get("Accounts", params=asked, headers=since)).status_code == 304
        row = next(iter(state_of(app).org.rows["Accounts"].values()))
        clock.pass_(1)
        state_of(app).org.update(row, {"Phone": "1"}, clock.at)
        found = (await client.get("Accounts", params=asked, headers=since)).json()["data"]
        unknown = await client.get("Accounts/5843104000999999999")
        bad = await client.get("Accounts/abc")
        same = {"If-Modified-Since": clock.at.isoformat()}
        assert (await client.get(f"Accounts/{row.id}", headers=same)).status_code == 304
    assert [one["id"] for one in found] == [row.id]
    assert (unknown.status_code, unknown.content) == (204, b"")
    assert bad.status_code == 400


async def test_lookups_are_objects_and_times_have_whole_seconds() -> None:
    async with signed_in(make_zoho()) as client:
        deal = await client.get("Deals", params={"fields": "Account_Name,Owner,Created_Time"})
        found = deal.json()["data"][0]
    assert set(found["Account_Name"]) == {"name", "id"}
    assert set(found["Owner"]) == {"name", "id", "email"}
    assert found["Created_Time"].endswith("+02:00")
    assert "." not in found["Created_Time"]


async def test_related_lists() -> None:
    app = make_zoho()
    account = next(iter(state_of(app).org.rows["Accounts"]))
    counts: dict[str, int] = {}
    async with signed_in(app) as client:
        for name in ("Contacts", "Deals", "Notes", "Calls_History", "Events_History", "Calls"):
            answer = await client.get(f"Accounts/{account}/{name}", params={"fields": "id"})
            counts[name] = len(answer.json()["data"]) if answer.status_code == 200 else 0
        assert (await client.get(f"Accounts/{account}/Nothing?fields=id")).status_code == 400
    assert counts["Calls_History"] + counts["Events_History"] == 12
    assert (counts["Contacts"], counts["Deals"], counts["Notes"], counts["Calls"]) == (5, 3, 4, 0)


async def test_the_index_lags_behind_creates() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    org = state_of(app).org
    made = org.insert("Accounts", {"Account_Name": "Zebra"}, clock.at)
    async with signed_in(app) as client:
        asked = {"fields": "id", "criteria": "(Account_Name:equals:Zebra)"}
        assert (await client.get("Accounts/search", params=asked)).status_code == 204
        assert (await client.get(f"Accounts/{made.id}")).status_code == 200
        clock.pass_(2)
        assert (await client.get("Accounts/search", params=asked)).status_code == 200


async def test_deleted_and_merged_accounts_are_told() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    org = state_of(app).org
    loser, winner = list(org.rows["Accounts"].values())[:2]
    clock.pass_(5)
    org.merge(loser, winner, clock.at)
    async with signed_in(app) as client:
        assert (await client.get(f"Accounts/{loser.id}")).status_code == 204
        gone = (await client.get("Accounts/deleted", params={"type": "all"})).json()["data"]
        deals = (await client.get(f"Accounts/{winner.id}/Deals?fields=id")).json()["data"]
    assert [one["id"] for one in gone] == [loser.id]
    assert len(deals) == 6


async def test_users() -> None:
    async with signed_in(make_zoho()) as client:
        everyone = (await client.get("users", params={"type": "AllUsers"})).json()["users"]
        active = (await client.get("users", params={"type": "ActiveUsers"})).json()["users"]
        one = (await client.get(f"users/{everyone[0]['id']}")).json()["users"]
    assert len(everyone) == len(active) + 1
    assert one[0]["full_name"] == "Greta Halvorsen"


async def test_the_timeline_has_who_changed_what() -> None:
    app = make_zoho()
    org = state_of(app).org
    row = next(iter(org.rows["Accounts"].values()))
    org.update(row, {"Phone": "1"}, NOW)
    async with signed_in(app) as client:
        found = (await client.get(f"Accounts/{row.id}/__timeline")).json()["__timeline"]
    assert found[0]["field_history"][0]["api_name"] == "Phone"


async def test_queries_answer_by_account() -> None:
    app = make_zoho(accounts=4)
    ids = list(state_of(app).org.rows["Accounts"])[:2]
    async with signed_in(app) as client:
        within = ", ".join(f"'{one}'" for one in ids)
        text = (
            "select Deal_Name, Account_Name, Account_Name.Phone, Owner.email from Deals"
            f" where Account_Name in ({within}) order by id limit 4"
        )
        found = (await query(client, text)).json()
        text = (
            f"select id from Contacts where (Account_Name = '{ids[0]}')"
            " or (Account_Name.id = '1' and id is not null) limit 0, 3"
        )
        both = (await query(client, text)).json()
        text = "select COUNT(id) as n, Account_Name from Calls where What_Id is not null"
        count = (await query(client, text)).json()
        text = (
            "select COUNT(id) as n, What_Id from Calls where What_Id is not null group by What_Id"
        )
        counted = (await query(client, text)).json()["data"]
        nothing = await query(client, "select id from Deals where Deal_Name = 'x'")
    assert found["info"] == {"count": 4, "more_records": True}
    assert set(found["data"][0]) == {
        "id", "Deal_Name", "Account_Name", "Account_Name.Phone", "Owner.email",
    }  # fmt: skip
    assert set(found["data"][0]["Account_Name"]) == {"id"}
    assert both["info"]["count"] == 3
    assert count["code"] == "INVALID_QUERY"
    assert sum(one["n"] for one in counted) == 32
    assert nothing.status_code == 204


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("delete from Deals", "SYNTAX_ERROR"),
        ("select id from Deals", "SYNTAX_ERROR"),
        ("select id from Deals where id is not null and id > 1 and id > 2", "SYNTAX_ERROR"),
        ("select id from Notes where id is not null", "INVALID_QUERY"),
        ("select Nothing from Deals where id is not null", "INVALID_QUERY"),
        ("select id from Deals where Description = 'x'", "INVALID_QUERY"),
        ("select id from Deals where id is not null limit 2001", "LIMIT_EXCEEDED"),
        ("select id from Deals where id is not null limit 10 offset 100001", "LIMIT_EXCEEDED"),
        (f"select id from Deals where id in ({', '.join(['1'] * 51)})", "LIMIT_EXCEEDED"),
        (f"select {', '.join(['id'] * 51)} from Deals where id > 1", "LIMIT_EXCEEDED"),
        ("select id from Deals where id > 1 order by id, id", "DUPLICATE_DATA"),
        (
            "select Owner.email, Account_Name.Phone, Contact_Name.Email from Deals where id > 1",
            "JOIN_LIMIT_EXCEEDED",
        ),
    ],
)
async def test_queries_have_limits(text: str, code: str) -> None:
    async with signed_in(make_zoho(accounts=1)) as client:
        answer = await query(client, text)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_times_are_compared_as_times() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    org = state_of(app).org
    row = next(iter(org.rows["Deals"].values()))
    org.update(row, {"Amount": 5}, clock.at)
    async with signed_in(app) as client:
        since = clock.at.replace(microsecond=0).isoformat()
        found = (
            await query(client, f"select id from Deals where Modified_Time >= '{since}'")
        ).json()
    assert [one["id"] for one in found["data"]] == [row.id]
