"""The app with the provider of the tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.provider import Provider
from tests.support.provider_sign_in import opened
from tests.support.web_site import Web


@pytest.fixture
def provider() -> Provider:
    """A provider that says of Ann that she is in sales."""
    return Provider(claims={"email": "Ann@example.com", "groups": ["sales", "all"]})


@pytest.fixture
async def web(database_url: str, tmp_path: Path, provider: Provider) -> AsyncIterator[Web]:
    """An app with it."""
    async with opened(database_url, tmp_path, provider) as found:
        yield found
