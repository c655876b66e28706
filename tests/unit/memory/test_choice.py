"""Which memory an address means."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from account_reviews.config.settings import Settings
from account_reviews.domain.errors import BadInputError
from account_reviews.memory.capabilities import COGNEE, POSTGRES
from account_reviews.memory.choice import (
    MemoryContext,
    capabilities_of,
    credentials_of,
    open_memory,
)
from account_reviews.memory.cognee import CogneeMemory
from account_reviews.memory.postgres import PostgresMemory
from account_reviews.store.database import create_engine

MAIN = "postgresql://me@localhost/reviews"


def settings(url: str | None = None, **more: Any) -> Settings:
    return Settings(database_url=MAIN, memory_url=url, **more)


async def opened(given: Settings) -> object:
    engine = create_engine(MAIN, application_name="tests")
    async with AsyncExitStack() as closing:
        closing.push_async_callback(engine.dispose)
        return open_memory(MemoryContext(given, engine, closing, lambda _: None))


@pytest.mark.parametrize("url", [None, "postgresql:", "postgresql://me@localhost:5432/reviews"])
async def test_the_memory_in_the_main_database(url: str | None) -> None:
    assert capabilities_of(settings(url)) is POSTGRES
    assert isinstance(await opened(settings(url)), PostgresMemory)


async def test_a_cognee_server() -> None:
    given = settings("cognee+https://cognee.example.com", cognee_api_key="k")
    assert capabilities_of(given) is COGNEE
    assert isinstance(await opened(given), CogneeMemory)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (settings("redis://localhost"), "there is no such memory"),
        (settings("postgresql://me@elsewhere/other"), "another database than the main one"),
        (settings("cognee+http://c.example.com"), "must be https"),
        (settings("cognee+https://c", cognee_username="u"), "REVIEWS_COGNEE_PASSWORD is not set"),
        (settings("cognee+https://c", cognee_password="p"), "REVIEWS_COGNEE_USERNAME is not set"),
        (settings("cognee+https://c", cognee_api_key="k", cognee_username="u"), "both"),
        (settings("cognee+https://c", cognee_api_key="of\nmine"), "no credential has"),
    ],
)
async def test_settings_that_do_not_fit_are_one_sentence(given: Settings, words: str) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        await opened(given)
    assert caught.value.hint


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of-cognee\n")
    assert credentials_of(settings(cognee_api_key_file=file)).api_key == "of-cognee"
    assert "of-cognee" not in repr(credentials_of(settings(cognee_api_key_file=file)))
