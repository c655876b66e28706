"""Channels by which Zoho tells of changes: made once, and made to last."""

from datetime import timedelta

import pytest

from account_reviews.domain.errors import CrmPermissionError
from tests.support.zoho_crm import ZohoStage, stage

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
