"""What the pages tell whoever is held up: in his words, by whom, since when and why."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.policy.access import Role
from account_reviews.domain.review import decisions
from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
from account_reviews.domain.review.pending import PendingStep, StuckReview
from account_reviews.services.stuck import StuckReport
from account_reviews.web.pages import operations
from tests.support.inboxes import put, waiting
from tests.support.review_states import NOW, task_change
from tests.support.web_site import Web, open_web

ISO = re.compile(r"\d{4}-\d\d-\d\d")


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    tenant = f"t-{uuid4().hex[:8]}"
    async with open_web(database_url, tmp_path, tenant=tenant) as found:
        found.parts.connect = connected  # type: ignore[method-assign]
        yield found


async def connected() -> Any:
    """A connection that nobody uses."""


async def test_who_stopped_everything_and_why_is_told_until_it_is_written(
    web: Web, engine: AsyncEngine
) -> None:
    tenant = web.parts.settings.tenant
    state = waiting("ac-1", at=datetime.now(UTC), tenant=tenant, changes=(task_change("ac-1"),))
    await put(engine, state)
    await web.parts.halts.halt(tenant, "Olga", "wrong owner ids")
    browser = await web.signed_in(Role.APPROVER, name="ow-1")
    page = (await browser.get("/requests/ac-1-1")).text
    assert "Writes are stopped by Olga since" in page
    assert "Wrong owner ids. You can decide: what you approve is written once" in spaced(page)
    body = {"request_id": state.requests[0].request_id, "decision": "approve", "approver": "ow-1"}
    said = decisions.decide(state, SubmitDecision.model_validate(body), datetime.now(UTC))
    assert isinstance(said, DecisionAnswer)
    await put(engine, state)
    page = (await browser.get("/requests/ac-1-1")).text
    assert "Wrong owner ids. What was approved is written once everything" in spaced(page)
    await web.parts.halts.release(tenant, "Olga", "mended")
    assert "Writes are stopped" not in (await browser.get("/requests/ac-1-1")).text


async def test_a_stuck_step_is_told_with_days_and_names(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    why = "writes are stopped by Olga since 2026-10-01T14:05:00Z: wrong owner ids"
    step = PendingStep("write", "crm_write", "7", 2, why, NOW, NOW, retryable=True)
    found = StuckReport([StuckReview("review/ac-1", "r", "ac-1", (step,))], looked_at=1)

    async def found_so(*_: object, **__: object) -> StuckReport:
        return found

    monkeypatch.setattr(operations, "find_stuck", found_so)
    browser = await web.signed_in(Role.OPERATOR)
    page = spaced((await browser.get("/stuck")).text)
    assert "Writing to the CRM" in page
    assert "stopped by Olga since Thu 1 Oct" in page
    card = page.partition("<article")[2].partition("<form")[0]
    assert not ISO.search(card)


def spaced(page: str) -> str:
    """With one blank where lines end."""
    return " ".join(page.split())
