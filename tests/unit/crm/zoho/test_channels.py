"""How Zoho tells of changes: channels that are made to last, and lists of what changed."""

from datetime import datetime, timedelta

import pytest

from account_reviews.domain.errors import BadInputError, CrmPermissionError
from tests.support.zoho_crm import ZohoStage, stage
from tests.support.zoho_writing import apply, phone, task

URL = "https://reviews.example/webhooks/zoho"
MODULES = {"Accounts", "Contacts", "Deals", "Calls", "Events", "Notes", "Tasks"}


async def renewed(on: ZohoStage, hours: float = 24) -> dict[str, bool]:
    """module -> whether its channel was made or made to last."""
    before = on.clock.now() + timedelta(hours=hours)
    found = await on.crm.renew_channels(notify_url=URL, token="secret", before=before)
    assert all(one.expires_at > before for one in found)
    return {one.name: one.renewed for one in found}


async def test_each_module_has_one_that_is_renewed_in_time() -> None:
    """Repeating it changes nothing, and makes no second one."""
    on = stage()
    assert await renewed(on) == dict.fromkeys(MODULES, True)
    assert await renewed(on) == dict.fromkeys(MODULES, False)
    on.clock.at += timedelta(days=6, hours=12)
    assert await renewed(on) == dict.fromkeys(MODULES, True)
    channels = on.app.state.channels.open
    assert len(channels) == len(MODULES)
    assert {one.token for one in channels.values()} == {"secret"}
    assert {one.url for one in channels.values()} == {URL}


async def test_the_scope_for_them_is_named() -> None:
    on = stage()
    on.app.state.tokens.scopes = frozenset({"ZohoCRM.modules.ALL"})
    with pytest.raises(CrmPermissionError, match=r"ZohoCRM\.notifications\.ALL is missing"):
        await renewed(on)


async def changed(on: ZohoStage, since: datetime) -> dict[str, str | None]:
    """Record ids and versions, over all pages."""
    found: dict[str, str | None] = {}
    cursor = None
    while True:
        page = await on.crm.changed_records(since=since, cursor=cursor)
        found |= {one.id or "": one.version for one in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_what_changed_is_listed_with_the_versions_that_writes_give() -> None:
    """So an echo of our own write is known for one; lists go on past 2,000."""
    on = stage(accounts=2)
    for rows in on.org.rows.values():
        for row in rows.values():
            row.modified = on.clock.now() - timedelta(days=30)
    since = on.clock.now()
    assert await changed(on, since) == {}
    on.clock.at += timedelta(seconds=5)
    made, version = await phone(on)
    done = await apply(on, made, version)
    created = await apply(on, task(on), operation="run:2")
    found = await changed(on, since)
    assert found == {
        done.record.id: done.record.version, created.record.id: created.record.version,
    }  # fmt: skip
    for number in range(2_300):
        on.org.insert("Deals", {"Deal_Name": f"{number}"}, on.clock.now(), quiet=True)
    assert len(await changed(on, since)) == 2_302
    with pytest.raises(BadInputError, match="no cursor"):
        await on.crm.changed_records(since=since, cursor="[99, {}]")
