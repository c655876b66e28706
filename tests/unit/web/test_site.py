"""The connection to Temporal that all pages share."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from account_reviews.domain.errors import UnreachableError
from account_reviews.web import site as site_module
from account_reviews.web.site import Site


class Temporal:
    """Away until it is there."""

    def __init__(self) -> None:
        self.tries = 0
        self.is_there = False

    async def connect(self) -> object:
        self.tries += 1
        await asyncio.sleep(0.01)
        if not self.is_there:
            raise UnreachableError("Temporal does not answer", hint="see `reviews doctor`")
        return self


def site_of(temporal: Temporal) -> Site:
    return Site(cast("Any", SimpleNamespace(connect=temporal.connect)))


async def test_those_who_wait_for_temporal_wait_for_one_try() -> None:
    temporal = Temporal()
    site = site_of(temporal)
    found = await asyncio.gather(*(site.temporal() for _ in range(5)), return_exceptions=True)
    assert [(type(one), str(one)) for one in found] == [
        (UnreachableError, "Temporal does not answer")
    ] * 5
    assert all(cast("UnreachableError", one).hint == "see `reviews doctor`" for one in found)
    assert await site.temporal_if_there() is None
    assert temporal.tries == 1


async def test_temporal_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_module, "_AWAY_SECONDS", 0.05)
    temporal = Temporal()
    site = site_of(temporal)
    assert await site.temporal_if_there() is None
    temporal.is_there, client = True, cast("Any", temporal)
    assert await site.temporal_if_there() is None
    await asyncio.sleep(0.1)
    assert await site.temporal_if_there() is client
    assert await site.temporal() is client
    assert temporal.tries == 2
