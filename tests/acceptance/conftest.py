"""The commands as a person runs them; each file has a stack that holds the sample portfolio."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from account_reviews.store.database import create_engine
from tests.support.commands import Reviews, _numbers
from tests.support.forks import Forks
from tests.support.portfolio_cluster import PortfolioCluster


@pytest.fixture(scope="module")
async def stack(short_dir: Path, portfolio_cluster: PortfolioCluster) -> AsyncIterator[LocalStack]:
    """The stack of the tests of one file, with the sample portfolio as of 2026-10-01.

    A worker that is killed stays dead.
    """
    data_dir = portfolio_cluster.copied_to(short_dir / f"accept{next(_numbers)}")
    async with LocalStack(
        data_dir, ui=False, restart=False, temporal_port=ports.any_free()
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def reviews(stack: LocalStack, forks: Forks) -> Reviews:
    """`reviews` on that stack."""
    return Reviews(stack.data_dir, forks)


@pytest.fixture(scope="module")
async def stack_engine(stack: LocalStack) -> AsyncIterator[AsyncEngine]:
    """The database of that stack."""
    engine = create_engine(stack.database_url, application_name="tests")
    yield engine
    await engine.dispose()
