"""Writes to the fake Zoho: a result for each record, versions, unique fields, channels."""

import json
from typing import Any

import httpx2
import pytest

from account_reviews.fakes.framework import Notice
from tests.support.fake_zoho import NOW, Clock, make_zoho, signed_in, state_of

EXTERNAL = {"X-EXTERNAL": "Tasks.Review_Operation_Id"}


def first_id(app: Any, module: str = "Accounts") -> str:
    return next(iter(state_of(app).org.rows[module]))


def task(account: str, **more: Any) -> dict[str, Any]:
    return {"Subject": "Call", "What_Id": {"id": account}, "$se_module": "Accounts", **more}


async def test_a_task_is_made_once_per_operation_id() -> None:
    app = make_zoho()
    body = {"data": [task(first_id(app), Review_Operation_Id="op-1")], "trigger": []}
    async with signed_in(app) as client:
        made = await client.post("Tasks", json=body)
        again = await client.post("Tasks", json=body)
        by_name = await client.get(
            "Tasks/op-1", headers={"X-EXTERNAL": "Tasks.Review_Operation_Id"}
        )
        upsert = await client.post("Tasks/upsert", json=body)
    assert made.status_code == 201
    record = made.json()["data"][0]["details"]["id"]
    twin = again.json()["data"][0]
    assert (twin["code"], twin["details"]["duplicate_record"]["id"]) == ("DUPLICATE_DATA", record)
    assert by_name.json()["data"][0]["id"] == record
    assert upsert.status_code == 400
    line = app.log.lines[-4]
    assert (line.operation_id, line.committed, line.records) == ("op-1", True, (record,))


async def test_accounts_are_upserted_by_a_unique_field() -> None:
    app = make_zoho()
    body = {
        "data": [{"Account_Name": "New", "Review_Operation_Id": "op-2"}],
        "duplicate_check_fields": ["Review_Operation_Id"],
    }
    async with signed_in(app) as client:
        one = (await client.post("Accounts/upsert", json=body)).json()["data"][0]
        two = (await client.post("Accounts/upsert", json=body)).json()["data"][0]
    assert (one["action"], two["action"]) == ("insert", "update")
    assert one["details"]["id"] == two["details"]["id"]


async def test_an_older_version_is_refused_by_412() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    account = first_id(app)
    async with signed_in(app) as client:
        read = (await client.get(f"Accounts/{account}?fields=Modified_Time")).json()["data"][0]
        header = {"If-Unmodified-Since": read["Modified_Time"]}
        body = {"data": [{"Phone": "1"}], "trigger": []}
        assert (await client.put(f"Accounts/{account}", json=body, headers=header)).is_success
        stale = await client.put(f"Accounts/{account}", json=body, headers=header)
        now = (await client.get(f"Accounts/{account}?fields=Modified_Time")).json()["data"][0]
        fresh = {"If-Unmodified-Since": now["Modified_Time"]}
        clock.pass_(0.5)  # the version of a second hides a change in the same second
        assert (await client.put(f"Accounts/{account}", json=body, headers=fresh)).is_success
    assert stale.status_code == 412
    assert stale.json()["data"][0]["status"] == "error"
    assert [one.guarded for one in state_of(app).org.written] == [True, True]


async def test_each_record_of_a_write_has_its_own_result() -> None:
    app = make_zoho({"match": {"path": "*/Contacts"}, "times": 1, "action": "element_error"})
    account = {"id": first_id(app)}
    good = {"Last_Name": "Berg", "Account_Name": account}
    async with signed_in(app) as client:
        fault = await client.post("Contacts", json={"data": [good, good]})
        mixed = await client.post("Contacts", json={"data": [good, {"Email": "a@b.example"}]})
        bad = await client.post("Contacts", json={"data": [{"Last_Name": 7}]})
    for answer in (fault, mixed):
        assert answer.status_code == 207
        assert {one["status"] for one in answer.json()["data"]} == {"error", "success"}
    assert bad.status_code == 202
    assert bad.json()["data"][0]["details"]["api_name"] == "Last_Name"


@pytest.mark.parametrize(
    ("module", "record", "name"),
    [
        ("Tasks", {"Subject": "x", "What_Id": {"id": "ID"}}, "$se_module"),
        ("Notes", {"Note_Content": "x", "Parent_Id": {"id": "ID"}}, "module"),
        ("Notes", {"Note_Title": "x"}, "Note_Content"),
        ("Tasks", {"Subject": "x", "Due_Date": "tomorrow"}, "Due_Date"),
        ("Tasks", {"Subject": "x" * 301}, "Subject"),
        ("Accounts", {"Account_Name": "x", "Owner": {"id": "1"}}, "Owner"),
        ("Deals", {"Deal_Name": "x", "Stage": "Nowhere"}, "Stage"),
        ("Accounts", {"Account_Name": "x", "Annual_Revenue": "much"}, "Annual_Revenue"),
    ],
)
async def test_bad_records_name_their_field(module: str, record: dict[str, Any], name: str) -> None:
    app = make_zoho()
    text = json.dumps({"data": [record]}).replace("ID", first_id(app))
    async with signed_in(app) as client:
        answer = await client.post(module, content=text)
    element = answer.json()["data"][0]
    assert (element["status"], element["details"]["api_name"]) == ("error", name)
    assert state_of(app).org.written == []


async def test_a_locked_record_needs_a_person() -> None:
    app = make_zoho()
    account = first_id(app)
    state_of(app).org.rows["Accounts"][account].locked = "RECORD_IN_BLUEPRINT"
    async with signed_in(app) as client:
        answer = await client.put(f"Accounts/{account}", json={"data": [{"Phone": "1"}]})
        gone = await client.put("Accounts/5843104000999999999", json={"data": [{"Phone": "1"}]})
    assert answer.json()["data"][0]["code"] == "RECORD_IN_BLUEPRINT"
    assert gone.status_code == 404


async def test_somebody_edits_just_before() -> None:
    clock = Clock()
    app = make_zoho({"match": {"method": "PUT"}, "action": "edit"}, now=clock)
    account = first_id(app)
    async with signed_in(app) as client:
        read = (await client.get(f"Accounts/{account}?fields=Modified_Time")).json()["data"][0]
        header = {"If-Unmodified-Since": read["Modified_Time"]}
        body = {"data": [{"Phone": "1"}]}
        answer = await client.put(f"Accounts/{account}", json=body, headers=header)
    assert answer.status_code == 412


async def test_a_commit_that_comes_after_the_drop() -> None:
    app = make_zoho({"match": {"path": "*/Notes"}, "times": 1, "action": "commit_late"})
    parent = {"id": first_id(app), "module": {"api_name": "Accounts"}}
    before = len(state_of(app).org.rows["Notes"])
    async with signed_in(app) as client:
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post("Notes", json={"data": [{"Note_Content": "x", "Parent_Id": parent}]})
    await app.finish()
    assert len(state_of(app).org.rows["Notes"]) == before + 1


async def test_channels_tell_of_writes_until_they_expire() -> None:
    clock = Clock()
    app = make_zoho(now=clock)
    told: list[Notice] = []

    async def keep(notice: Notice) -> None:
        told.append(notice)

    app.deliver = keep
    watch = {
        "channel_id": "100", "events": ["Accounts.all"], "token": "t",
        "notify_url": "http://localhost/hook", "channel_expiry": "2026-10-02T12:00:00+00:00",
    }  # fmt: skip
    account = first_id(app)
    async with signed_in(app) as client:
        made = await client.post("actions/watch", json={"watch": [watch]})
        listed = (await client.get("actions/watch")).json()["watch"]
        await client.put(f"Accounts/{account}", json={"data": [{"Phone": "1"}]})
        await client.post("Tasks", json={"data": [task(account)]})
        late = {"watch": [{**watch, "channel_expiry": "2026-12-02T12:00:00+00:00"}]}
        too_long = await client.put("actions/watch", json=late)
    await app.finish()
    assert made.status_code == 201
    assert [one["channel_id"] for one in listed] == ["100"]
    assert too_long.json()["watch"][0]["status"] == "error"
    assert [json.loads(one.body)["ids"] for one in told] == [[account]]
    assert told[0].headers["X-Zoho-Event-Id"] == "100-1"
    clock.at = NOW.replace(day=3)
    state_of(app).org.update(state_of(app).org.rows["Accounts"][account], {"Phone": "2"}, clock.at)
    assert not app.service.notices()
