"""Who may ask the fake Zoho, and how much."""

import asyncio

import pytest

from account_reviews.fakes.zoho.schema import MODULES
from tests.support.fake_zoho import Clock, ask_token, make_zoho, signed_in, state_of
from tests.support.fakes import FAKE_URL, client_of


async def test_a_refresh_gives_a_token_its_host_and_its_life() -> None:
    app = make_zoho()
    async with client_of(app) as client:
        found = await ask_token(app, client)
    assert found["api_domain"] == FAKE_URL
    assert found["expires_in"] == 3600


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("client_id", "invalid_client"),
        ("client_secret", "invalid_client_secret"),
        ("refresh_token", "invalid_code"),
        ("grant_type", "unsupported_grant_type"),
    ],
)
async def test_errors_of_the_accounts_server_come_with_200(name: str, error: str) -> None:
    app = make_zoho()
    async with client_of(app) as client:
        assert (await ask_token(app, client, **{name: "wrong"}))["error"] == error


async def test_the_eleventh_token_within_ten_minutes_is_denied() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    async with client_of(app) as client:
        found = [await ask_token(app, client) for _ in range(11)]
        assert [one.get("error") for one in found] == [None] * 10 + ["Access Denied"]
        clock.pass_(601)
        assert "access_token" in await ask_token(app, client)


async def test_a_code_of_the_consent_becomes_a_refresh_token() -> None:
    app = make_zoho()
    env = app.env(FAKE_URL)
    async with client_of(app) as client:
        page = await client.get(
            "/oauth/v2/auth", params={"client_id": env["REVIEWS_ZOHO_CLIENT_ID"]}
        )
        code = page.text.partition("Code: ")[2].partition("<")[0]
        found = await ask_token(app, client, grant_type="authorization_code", code=code)
    assert found["refresh_token"] == env["REVIEWS_ZOHO_REFRESH_TOKEN"]


async def test_tokens_end_and_are_revoked() -> None:
    clock = Clock()
    app = make_zoho(
        {"match": {"path": "*/org"}, "after": 1, "times": 1, "action": "revoke"}, now=clock
    )
    async with signed_in(app) as client:
        assert (await client.get("org")).status_code == 200
        assert (await client.get("org")).json()["code"] == "INVALID_TOKEN"
        async with client_of(app) as other:
            token = (await ask_token(app, other))["access_token"]
        client.headers["Authorization"] = f"Zoho-oauthtoken {token}"
        assert (await client.get("org")).status_code == 200
        clock.pass_(3601)
        assert (await client.get("org")).status_code == 401


async def test_a_bearer_token_is_no_token() -> None:
    app = make_zoho()
    async with signed_in(app) as client:
        value = client.headers["Authorization"].partition(" ")[2]
        client.headers["Authorization"] = f"Bearer {value}"
        assert (await client.get("org")).status_code == 401


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("ZohoCRM.modules.accounts.READ", "Accounts?fields=id", 200),
        ("ZohoCRM.modules.accounts.READ", "Deals?fields=id", 403),
        ("ZohoCRM.modules.READ", "users", 403),
        ("ZohoCRM.users.ALL", "users", 200),
        ("ZohoCRM.settings.fields.READ", "settings/fields?module=Deals", 200),
    ],
)
async def test_scopes(scope: str, path: str, status: int) -> None:
    app = make_zoho()
    state_of(app).tokens.scopes = frozenset({scope})
    async with signed_in(app) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "OAUTH_SCOPE_MISMATCH"


async def test_credits_are_told_from_half_on_and_end() -> None:
    clock = Clock()
    app = make_zoho(now=clock, credits=4, window_s=60)
    async with signed_in(app) as client:
        told = [(await client.get("org")).headers.get("x-api-credits-remaining") for _ in range(4)]
        refused = await client.get("org")
        clock.pass_(61)
        again = await client.get("org")
    assert told == [None, "2", "1", "0"]
    assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert "retry-after" not in refused.headers
    assert again.status_code == 200
    assert state_of(app).limits.refused_credits == 1


async def test_more_than_ten_at_a_time_are_refused() -> None:
    app = make_zoho(latency_ms=40)
    async with signed_in(app) as client:
        found = await asyncio.gather(*(client.get("org") for _ in range(12)))
    assert sorted(answer.status_code for answer in found) == [200] * 10 + [429] * 2
    assert max(line.in_flight for line in app.log.lines) == 12


async def test_what_a_query_costs_follows_its_limit() -> None:
    app = make_zoho()
    async with signed_in(app) as client:
        for limit in (200, 201, 2000):
            text = f"select id from Accounts where id is not null limit {limit}"
            assert (await client.post("coql", json={"select_query": text})).status_code == 200
    assert [line.credits for line in app.log.lines[-3:]] == [1, 2, 3]


async def test_metadata_names_every_field() -> None:
    app = make_zoho()
    async with signed_in(app) as client:
        fields = (await client.get("settings/fields", params={"module": "Tasks"})).json()["fields"]
        lists = (await client.get("settings/related_lists", params={"module": "Accounts"})).json()
        assert (await client.get("settings/fields")).status_code == 400
        modules = (await client.get("settings/modules")).json()["modules"]
    named = {one["api_name"]: one for one in fields}
    assert named["Review_Operation_Id"]["unique"] == {"casesensitive": "false"}
    assert named["Status"]["pick_list_values"][0]["actual_value"] == "Not Started"
    assert "Notes" in {one["api_name"] for one in lists["related_lists"]}
    assert {one["api_name"] for one in modules} == set(MODULES)
