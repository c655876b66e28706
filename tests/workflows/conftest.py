"""Reviews and cycles on a real server."""

import pytest

from account_reviews.domain import bursts


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CRM that failed is asked again twenty times sooner."""
    monkeypatch.setattr(bursts, "FIRST_SECONDS", 0.05)
