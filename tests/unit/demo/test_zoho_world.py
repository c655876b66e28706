"""The demo's Zoho: the sample stands in it, and it counts its own writes."""

from account_reviews.demo.workspace import SAMPLE
from account_reviews.demo.worlds import ZohoWorld
from account_reviews.demo.zoho_sample import fill_org
from account_reviews.domain.records import RecordType
from tests.support.fake_zoho import NOW, make_zoho, signed_in, state_of
from tests.support.fakes import FAKE_URL


async def test_the_whole_sample_stands_in_the_org() -> None:
    app = make_zoho(accounts=0)
    org = state_of(app).org
    taken = fill_org(org, SAMPLE)
    counted = {module: len(rows) for module, rows in org.rows.items()}
    assert counted == {
        "Accounts": 64, "Contacts": 156, "Deals": 114, "Tasks": 22, "Events": 182, "Calls": 394,
        "Notes": 50,
    }  # fmt: skip
    assert taken == sum(counted.values()) + 8
    assert len([user for user in org.users.values() if user.manager_id is None]) == 1
    assert org.api_user in org.users


async def test_the_image_shows_each_write_and_the_count_names_it() -> None:
    app = make_zoho(accounts=0)
    org = state_of(app).org
    fill_org(org, SAMPLE)
    world = ZohoWorld(app, FAKE_URL)
    before = await world.image(None)  # type: ignore[arg-type]
    account = next(iter(org.rows["Accounts"]))
    async with signed_in(app) as client:
        client.headers["X-Operation-Id"] = "op-1"
        await client.put(f"Accounts/{account}", json={"data": [{"Phone": "1"}]})
    after = await world.image(None)  # type: ignore[arg-type]
    key = (RecordType.ACCOUNT, account)
    changed = {name for name in after[key] if after[key][name] != before[key][name]}
    assert changed == {"phone", "version", "modified_at"}
    assert after[key]["version"] == before[key]["version"] + 1
    assert world.seen() == {"op-1": 1}
    assert {one for one in before if before[one] != after[one]} == {key}


async def test_somebody_elses_write_shows_and_is_not_counted() -> None:
    app = make_zoho(accounts=0)
    org = state_of(app).org
    fill_org(org, SAMPLE)
    world = ZohoWorld(app, FAKE_URL)
    row = next(iter(org.rows["Deals"].values()))
    org.update(row, {"Amount": 5}, NOW, by=next(iter(org.users)))
    image = await world.image(None)  # type: ignore[arg-type]
    assert image[RecordType.DEAL, row.id]["amount"] == 5
    assert world.seen() == {}
