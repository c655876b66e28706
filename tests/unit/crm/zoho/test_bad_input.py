"""What Zoho CRM can be asked with and answer wrongly: each is one sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from account_reviews.crm.protocol import AccountFilter, Wanted
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from account_reviews.domain.proposals import Action
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from tests.support.crm import change
from tests.support.zoho_crm import ZohoStage, stage

LIMITS = SnapshotLimits()
READ = {"path": "/crm/v8/coql"}


async def one(on: ZohoStage) -> Any:
    """The first account as a review reads it."""
    account = next(iter(on.org.rows["Accounts"]))
    return await on.crm.snapshot(account, as_of=datetime.now(UTC), limits=LIMITS)


def always(match: dict[str, Any] | None = None, **rule: Any) -> dict[str, Any]:
    return {"match": match or READ, **rule}


async def test_wrong_credentials() -> None:
    """Said with what to look at, and health says the same without raising."""
    on = stage(who={"client_secret": "wrong"})
    with pytest.raises(CrmAuthError, match="the client secret is wrong") as caught:
        await one(on)
    assert not caught.value.retryable
    health = await on.crm.health()
    assert not health.ok
    assert health.hint is not None
    assert "_DATA_CENTRE" in health.hint
    assert "wrong-secret" not in health.detail


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        ({"ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.users.READ"}, "coql.READ"),
        ({"ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL", "ZohoCRM.coql.READ"}, "users.READ"),
        (
            {"ZohoCRM.coql.READ", "ZohoCRM.settings.ALL", "ZohoCRM.users.READ"},
            "modules.accounts.READ",
        ),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_missing_scope_is_named(scopes: set[str], said: str, status: int) -> None:
    """Zoho answers it with either status; no new token is asked for."""
    on = stage()
    on.app.state.tokens.scopes = frozenset(scopes)
    handle = on.app.service.handle

    def answer(call: Any) -> Any:
        reply = handle(call)
        refused = isinstance(reply.body, dict) and reply.body.get("code") == "OAUTH_SCOPE_MISMATCH"
        return type(reply)(status, reply.body) if refused else reply

    on.app.service.handle = answer  # type: ignore[method-assign]
    told = rf"the scopes? .*{said}.* (is|are) missing"
    with pytest.raises(CrmPermissionError, match=told) as caught:
        await one(on)
    assert not caught.value.retryable
    assert on.tokens.fetched == 1


async def test_a_token_that_was_revoked_is_renewed_once() -> None:
    on = stage(always(action="revoke", times=1))
    await one(on)
    assert on.tokens.fetched == 2


@pytest.mark.parametrize(
    ("rule", "error", "said"),
    [
        ({"action": "malformed"}, CrmUnavailableError, "no JSON"),
        (
            {"action": "malformed", "body": "<html><body>Sorry</body></html>"},
            CrmUnavailableError,
            "a web page",
        ),
        (
            {"action": "malformed", "body": {"status": "error", "code": "INVALID_TOKEN"}},
            CrmAuthError,
            "credentials",
        ),
        ({"action": "malformed", "body": {"data": "none"}}, CrmUnreadableError, "no list"),
        ({"action": "malformed", "body": {"data": [{"x": 1}]}}, CrmUnreadableError, "no list"),
        ({"action": "malformed", "body": [1, 2]}, CrmUnreadableError, "no"),
        ({"action": "status", "status": 530}, CrmAuthError, "530"),
        ({"action": "status", "status": 503}, CrmUnavailableError, "503"),
        ({"action": "status", "status": 500, "body": "<html>"}, CrmUnavailableError, "500"),
        ({"action": "status", "status": 429}, CrmRateLimitedError, "slow down"),
        (
            {"action": "status", "status": 403, "code": "NO_PERMISSION"},
            CrmPermissionError,
            "NO_PERMISSION",
        ),
        ({"action": "drop_before"}, CrmUnavailableError, "broke the connection"),
    ],
)
async def test_answers_that_make_no_sense(rule: dict[str, Any], error: Any, said: str) -> None:
    """Each is of its class, which says whether it is tried again; none is a traceback."""
    on = stage(always(**rule))
    with pytest.raises(error, match=said) as caught:
        await one(on)
    assert isinstance(caught.value, CrmError)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("body", ["", "null"])
async def test_a_success_that_says_nothing_is_an_outage(body: str) -> None:
    """Nothing is 204: read as nothing, a page lost on its way would end a review."""
    on = stage(always(action="status", status=200, body=body))
    with pytest.raises(CrmUnavailableError):
        await on.crm.list_accounts(AccountFilter())
    with pytest.raises(CrmUnavailableError):
        await one(on)


@pytest.mark.parametrize("body", [{"fields": []}, {"fields": "none"}, {"odd": 1}])
async def test_fields_that_are_described_by_nothing_are_not_unknown(body: object) -> None:
    on = stage(always({"path": "*/settings/fields"}, action="malformed", body=body))
    with pytest.raises(CrmUnreadableError, match="describes no field"):
        await one(on)


@pytest.mark.parametrize(
    "rows",
    [
        [{"id": "999", "Account_Name": "Another"}],
        [{"id": "999", "Account_Name": {"id": "998"}, "What_Id": {"id": "998"}}],
    ],
)
async def test_a_record_that_nobody_asked_for_is_no_sign_of_one_that_is_gone(rows: Any) -> None:
    """Of the account, which would read as deleted, and of what belongs to it."""
    after = 1 if "What_Id" in rows[0] else 0
    on = stage(always(action="malformed", body={"data": rows}, after=after))
    with pytest.raises(CrmUnreadableError, match=r"999.* which nobody asked for"):
        await one(on)


async def test_records_by_id_that_nobody_asked_for() -> None:
    on = stage(always({"path": "/crm/v8/Deals"}, action="malformed", body={"data": [{"id": "9"}]}))
    record = RecordRef(type=RecordType.DEAL, id=next(iter(on.org.rows["Deals"])))
    with pytest.raises(CrmUnreadableError, match="record 9, which nobody asked for"):
        await on.crm.read_back((Wanted(record=record, fields=("stage",)),))


async def test_a_record_of_five_megabytes() -> None:
    """It is read, and cut where it would fill the review."""
    on = stage()
    account = next(iter(on.org.rows["Accounts"]))
    note = next(on.org.children("Notes", "Parent_Id", account))
    note.values["Note_Content"] = "x" * 5 * 2**20
    found = await one(on)
    shown = next(each for each in found.notes if each.id == note.id)
    assert len(shown.content) == 100_000
    assert shown.content.endswith("…")


async def test_names_of_any_script_and_characters_no_database_keeps() -> None:
    on = stage()
    row = next(iter(on.org.rows["Accounts"].values()))
    for name in ("شركة النور", "חברת ים", "🌊 Welle & Söhne", "👨‍👩‍👧 Familie"):
        row.values["Account_Name"] = name
        assert (await one(on)).account.name == name
    row.values["Account_Name"] = "A\x00B"
    assert (await one(on)).account.name == "A\ufffdB"


async def test_a_clock_that_is_ten_minutes_off() -> None:
    """What counts is the service's own clock: neither reads nor writes take ours for it."""
    on = stage()
    account = next(iter(on.org.rows["Accounts"]))
    for minutes in (-10, 10):
        ours = on.clock.now() + timedelta(minutes=minutes)
        found = await on.crm.snapshot(account, as_of=ours, limits=LIMITS)
        record = RecordRef(type=RecordType.ACCOUNT, id=account, version=found.account.version)
        made = change(
            Action.UPDATE_ACCOUNT, {"phone": f"+99 {minutes}"}, record, account_id=account
        )
        done = await on.crm.apply(
            made, expected_version=found.account.version, operation_id=f"run:{minutes}"
        )
        assert done.status == "applied"
        assert done.applied_at is not None
        assert abs(done.applied_at - on.clock.now()) < timedelta(seconds=5)
        assert found.fetched_at <= datetime.now(UTC)
        on.clock.at += timedelta(seconds=5)
