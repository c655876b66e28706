"""The page of an account: what happened in sentences, a page at a time, however long its past."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.policy.access import Role
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review import decisions
from account_reviews.domain.review.messages import SubmitDecision
from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.domain.review.state import ReviewState, WrittenChange
from tests.support.build import again, snapshot
from tests.support.digests import CHANGED
from tests.support.inboxes import put, waiting
from tests.support.review_states import NOW, task_change
from tests.support.web_site import Web, open_web

ENTRY = re.compile(r'<time class="meta" datetime="([^"]+)">[^<]*</time> (.*)')
MINUTE = timedelta(minutes=1)
PAGE = "/accounts/ac-1"
COPIES = text(
    """
    insert into reviews.review_runs (
      run_id, review_id, tenant, account_id, owner_id, kind, phase, status, outcome, state, version,
      started_at, updated_at, closed_at
    )
    select
      run_id || '-' || n, review_id, tenant, account_id, owner_id, kind, 'completed', 'completed',
      'completed', state, 1, started_at - make_interval(days => n), updated_at,
      started_at - make_interval(days => n)
    from reviews.review_runs, generate_series(1, :copies) as n
    where tenant = :tenant
    """
)


@pytest.fixture
async def web(database_url: str, tmp_path: Path) -> AsyncIterator[Web]:
    """The app, and nothing in it."""
    async with open_web(database_url, tmp_path) as found:
        yield found


async def asked(web: Web, engine: AsyncEngine, *titles: str) -> ReviewState:
    """A review that has noticed a change, and asks for tasks of these titles."""
    found = await web.parts.store.put_document("analysis", CHANGED.model_dump(mode="json"))
    changes = tuple(task_change("ac-1", title) for title in titles)
    state = waiting("ac-1", at=NOW, tenant=web.parts.settings.tenant, changes=changes)
    assert state.analysis is not None
    state.analysis = state.analysis.model_copy(update={"hash": found})
    state.started_by = "Nora Lind"
    await put(engine, state)
    return state


def decide(state: ReviewState, verdict: str, item: int, reason: str | None = None) -> None:
    """Ann Lee decides on one item, a minute after it was asked."""
    (request,) = state.requests
    said = {
        "request_id": request.request_id, "decision": verdict, "approver": "Ann Lee",
        "item_ids": [request.items[item].item_id], "reason": reason,
    }  # fmt: skip
    decisions.decide(state, SubmitDecision.model_validate(said), NOW + MINUTE)


def write(state: ReviewState, item: int) -> None:
    """It is written, two minutes after."""
    (request,) = state.requests
    one = request.items[item]
    state.replace_request(request.mark(one.item_id, ItemState.EXECUTED))
    state.written[one.item_id] = WrittenChange(
        change_id=one.item_id, state=ItemState.EXECUTED, record=one.change.record,
        verified=True, at=NOW + 2 * MINUTE,
    )  # fmt: skip
    for phase in (Phase.EXECUTING, Phase.VALIDATING):
        state.move(phase, NOW + 2 * MINUTE)
    state.close(Outcome.COMPLETED, NOW + 3 * MINUTE)


async def told(browser: httpx2.AsyncClient, path: str = PAGE) -> list[str]:
    """The sentences of the timeline, each with the name of its link."""
    page = (await browser.get(path)).text
    texts = (re.sub("<[^>]+>", "", said).replace("·", "") for _, said in ENTRY.findall(page))
    return [" ".join(text.split()) for text in texts]


async def test_a_review_is_told_from_its_end_to_its_begin(web: Web, engine: AsyncEngine) -> None:
    state = await asked(web, engine, "Call them", "Write to them")
    decide(state, "approve", 0)
    decide(state, "reject", 1, reason="They have left")
    write(state, 0)
    await put(engine, state)
    assert await told(await web.signed_in(Role.AUDITOR)) == [
        "The review ended: completed The review",
        "Written to the CRM: New task: Call them The review",
        "Ann Lee rejected: New task: Write to them They have left The request",
        "Ann Lee approved: New task: Call them The request",
        "2 changes were proposed to Ann Lee The request",
        "Changed in the CRM: Status: Active → At Risk The brief",
        "Nora Lind started a review: risk high 60, health fragile 40 The review",
    ]


async def test_what_waits_and_what_nobody_decided_is_told_too(
    web: Web, engine: AsyncEngine
) -> None:
    state = await asked(web, engine, "Call them", "Write to them")
    browser = await web.signed_in(Role.AUDITOR)
    assert (await told(browser))[0].startswith("2 changes wait for Ann Lee, until ")
    state.replace_request(state.requests[0].expired(NOW + MINUTE))
    state.touch(NOW + MINUTE)
    await put(engine, state)
    assert "Nobody decided in time on 2 changes The request" in await told(browser)
    page = (await browser.get(PAGE)).text
    assert '<a href="/requests/ac-1-1">The request</a>' in page
    assert f'<a href="/reviews/{state.review_id}/brief?run={state.run_id}">The brief</a>' in page


async def test_a_first_review_has_changed_nothing(web: Web, engine: AsyncEngine) -> None:
    state = await asked(web, engine, "Call them")
    assert state.analysis is not None
    first = await web.parts.store.put_document(
        "analysis", again(snapshot()).model_dump(mode="json")
    )
    state.analysis = state.analysis.model_copy(update={"hash": first})
    state.version += 1
    await put(engine, state)
    assert not [one for one in await told(await web.signed_in(Role.AUDITOR)) if "in the CRM" in one]


async def test_a_long_past_is_shown_a_page_at_a_time(web: Web, engine: AsyncEngine) -> None:
    state = await asked(web, engine, "Call them")
    async with engine.begin() as connection:
        await connection.execute(COPIES, {"copies": 24, "tenant": state.tenant})
    browser = await web.signed_in(Role.AUDITOR)
    path: str | None = PAGE
    begun, pages = [], 0
    while path:
        page = (await browser.get(path)).text
        assert "<b>25</b> reviews" in page
        assert "The open review: running" in page
        assert ("Show the newest" in page) == (pages > 0)
        begun += [at for at, said in ENTRY.findall(page) if "started a review" in said]
        earlier = re.search(r'href="([^"]*)#timeline"[^>]*>Show earlier', page)
        path, pages = earlier[1] if earlier else None, pages + 1
    assert (pages, len(begun)) == (3, 25)
    assert begun == sorted(begun, reverse=True)


async def test_what_cannot_be_read_any_more_takes_nothing_with_it(
    web: Web, engine: AsyncEngine
) -> None:
    state = await asked(web, engine, "Call them")
    async with engine.begin() as connection:
        await connection.execute(
            text("update reviews.approval_requests set body = '{\"old\": 1}' where run_id = :id"),
            {"id": state.run_id},
        )
    found = await told(await web.signed_in(Role.AUDITOR))
    assert found[-1].startswith("Nora Lind started a review")
    assert (await (await web.signed_in(Role.AUDITOR)).get(f"{PAGE}?before=x")).status_code == 422
