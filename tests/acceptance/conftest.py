"""The commands as a person runs them; each file has a stack that holds the sample portfolio."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from account_reviews.store.database import create_engine
from tests.support.commands import IMPORT, Reviews, _numbers
from tests.support.forks import Forks


@pytest.fixture(scope="session")
def forks(short_dir: Path) -> Iterator[Forks]:
    """Runs commands without their imports."""
    forks = Forks(short_dir)
    yield forks
    forks.close()


@pytest.fixture(scope="module")
async def stack(short_dir: Path) -> AsyncIterator[LocalStack]:
    """The stack of the tests of one file. A worker that is killed stays dead."""
    data_dir = short_dir / f"accept{next(_numbers)}"
    async with LocalStack(
        data_dir, ui=False, restart=False, temporal_port=ports.any_free()
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def reviews(stack: LocalStack, forks: Forks) -> Reviews:
    """`reviews` on that stack, with the sample portfolio as of 2026-10-01."""
    reviews = Reviews(stack.data_dir, forks)
    assert reviews(*IMPORT).code == 0
    return reviews


@pytest.fixture(scope="module")
async def stack_engine(stack: LocalStack) -> AsyncIterator[AsyncEngine]:
    """The database of that stack."""
    engine = create_engine(stack.database_url, application_name="tests")
    yield engine
    await engine.dispose()
