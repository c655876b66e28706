"""What we ask Zoho CRM is what its description allows."""

from account_reviews.crm.protocol import AccountFilter, Wanted
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.fakes.framework import Call, FakeApp, Reply
from tests.support.fake_zoho import signed_in
from tests.support.paths import ROOT
from tests.support.zoho_crm import stage
from tests.support.zoho_spec import faults_of
from tests.support.zoho_writing import LIMITS, account_of, apply, begun, note, phone, task

FOLDER = ROOT.parent / "shared" / "specs" / "zoho" / "v8.0"


def listen(app: FakeApp) -> list[Call]:
    """Every request that the fake handles from now on."""
    heard: list[Call] = []
    handle = app.service.handle

    def noting(call: Call) -> Reply:
        if call.path.startswith("/crm/"):
            heard.append(call)
        return handle(call)

    app.service.handle = noting  # type: ignore[method-assign]
    return heard


def against(heard: list[Call]) -> list[str]:
    return [fault for call in heard for fault in faults_of(call, FOLDER)]


async def test_reads_are_as_described() -> None:
    on = stage(accounts=3)
    heard = listen(on.app)
    ids = tuple(on.org.rows["Accounts"])
    await on.crm.snapshot(ids[0], as_of=on.clock.now(), limits=LIMITS)
    await on.crm.snapshots(ids, as_of=on.clock.now(), limits=LIMITS)
    await on.crm.list_accounts(AccountFilter())
    await on.crm.find_owner("Greta Halvorsen")
    await on.crm.health()
    record = RecordRef(type=RecordType.ACCOUNT, id=ids[0])
    await on.crm.read_back((Wanted(record=record, fields=("phone",)),))
    assert len(heard) > 10
    assert against(heard) == []


async def test_writes_and_their_look_ups_are_as_described() -> None:
    on = stage(accounts=1)
    heard = listen(on.app)
    change, version = await phone(on)
    await apply(on, change, version)
    for number, made in enumerate((task(on), note(on))):
        await apply(on, made, operation=f"operation-{number}")
        await on.crm.find_operations([begun(on, made, ago=3600)])
    assert {call.method for call in heard} >= {"GET", "POST", "PUT"}
    assert against(heard) == []


async def test_the_description_finds_what_is_wrong() -> None:
    on = stage(accounts=1)
    heard = listen(on.app)
    async with signed_in(on.app) as client:
        await client.post("coql", json={"select": 5})
        await client.put(f"Accounts/{account_of(on)}", json=[1])
    assert len(against(heard)) == 2
