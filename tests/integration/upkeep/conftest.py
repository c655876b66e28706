"""A CRM that tells of changes, and what works on them; no worker answers."""

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts
from account_reviews.services import review_workflows
from account_reviews.temporal import names
from account_reviews.upkeep.event_work import EventWork
from tests.support.events import prepare
from tests.support.world import World, make_world


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_workflows, "QUERY_SECONDS", 0.2)


@pytest.fixture
async def event_world(
    short_patience: None, parts: Parts, own_client: Client
) -> AsyncIterator[World]:
    world = make_world(own_client, parts.engine)
    prepare(parts, world.crm)
    yield world
    handle = own_client.get_workflow_handle(
        names.review_id(world.account.id, parts.settings.tenant)
    )
    with suppress(RPCError):  # it is closed, or there never was one
        await handle.terminate()


@pytest.fixture
def work(parts: Parts, own_client: Client, event_world: World) -> EventWork:
    return EventWork(parts, own_client)
