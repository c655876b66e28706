"""What the tests of the trail share."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.local.postgres import EmbeddedPostgres
from tests.support.live_trail import Trail, open_trail


@pytest.fixture
async def trail(
    client: Client, engine: AsyncEngine, postgres: EmbeddedPostgres, template_database: str
) -> AsyncIterator[Trail]:
    """A live one; tests of made-up rows have a fixture of their own of that name."""
    async with open_trail(client, engine, postgres, template_database) as opened:
        yield opened
