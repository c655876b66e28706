"""What pages cost: an inbox of 1,000 pending requests beside 10,000 reviews, and one decision.

The pages are asked over a connection that stands, as a browser does; times hold the answer whole.
The click is a real one, in Chromium (`CHROMIUM` says where it is; without it that part is left
out): from the button to the words on the screen that say what becomes of the change.
"""

import argparse
import asyncio
import os
import re
import shutil
import time
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import httpx2

from account_reviews.domain.policy.access import Role
from account_reviews.domain.proposals import Action
from account_reviews.domain.review.commands import ProposalAnswer, Propose, WantedChange
from account_reviews.domain.review.state import ReviewInput
from account_reviews.services.control import command
from account_reviews.services.sign_ins import make_link
from bench import common, portfolio
from bench.common import Bench, Result, Row, spread
from bench.driving import accounts_of
from starter import start_review

ROUNDS: Final = 60
REVIEWS: Final = 10_000
PENDING: Final = 1_000
CHANGES: Final = 20
CLICKS: Final = 30
_FIELD: Final = re.compile(r'name="(\w+)" value="([^"]*)"')
_SAID: Final = re.compile("Approved .* written")
_ACTION: Final = re.compile(r'<form[^>]* action="([^"]+)"')

_CLOSED: Final = """
insert into reviews.review_runs (
  run_id, review_id, tenant, account_id, owner_id, name, agent, purpose, kind, phase, status,
  outcome, risk_level, risk_score, health_score, waiting_on, needs_attention, state, version,
  started_at, updated_at, closed_at
)
select
  'old-' || n, 'review/old-' || n % 2000, tenant, 'old-' || n % 2000, owner_id, name, agent,
  purpose, kind, 'completed', 'completed', 'completed', risk_level, risk_score, health_score,
  '[]', false, state, 1, started_at - make_interval(mins => n), updated_at,
  started_at - make_interval(mins => n)
from reviews.review_runs, generate_series(1, :rows) as n
where run_id = :run_id
"""
_WAITING: Final = """
insert into reviews.review_runs (
  run_id, review_id, tenant, account_id, owner_id, name, agent, purpose, kind, phase, status,
  risk_level, risk_score, health_score, waiting_on, due_at, needs_attention, analysis_hash, state,
  version, started_at, updated_at
)
select
  'open-' || n, 'review/open-' || n, tenant, 'open-' || n, owner_id, name, agent, purpose, kind,
  phase, status, risk_level, n % 100, health_score, waiting_on,
  due_at + make_interval(mins => n), needs_attention, analysis_hash, state, 1, started_at,
  updated_at
from reviews.review_runs, generate_series(1, :rows) as n
where run_id = :run_id
"""
_REQUESTS: Final = """
insert into reviews.approval_requests (
  request_id, run_id, review_id, tenant, account_id, owner_id, state, requested_at, deadline, body,
  version, value
)
select
  'open-' || n, 'open-' || n, 'review/open-' || n, tenant, 'open-' || n, owner_id, state,
  requested_at, deadline + make_interval(mins => n),
  body || jsonb_build_object('request_id', 'open-' || n, 'account_id', 'open-' || n), 1,
  n * 7919 % 100000
from reviews.approval_requests, generate_series(1, :rows) as n
where run_id = :run_id
"""
_NUMBERS: Final = """
insert into reviews.request_numbers (request_id, tenant, account_id, number)
select 'open-' || n, 'default', 'open-' || n, 1 from generate_series(1, :rows) as n
"""


async def measure(arguments: argparse.Namespace) -> Result:
    """Pages, then clicks, against a stack of their own with one worker."""
    result = Result("web_pages")
    async with common.fresh_stack(web=True) as bench:
        await portfolio.fill_with_copies(bench, 1)
        await bench.stack.start_worker()
        accounts = list(await accounts_of(bench))[: arguments.clicks + 1]
        runs = [await _ask(bench, account.id, account) for account in accounts]
        async with _browser(bench, await _link(bench)) as browser:
            await _pages(bench, browser, runs[0], result, arguments.rounds)
        if chromium := os.environ.get("CHROMIUM") or shutil.which("chromium"):
            await _clicks(bench, chromium, runs[1:], result)
    return result


async def _ask(bench: Bench, account_id: str, account: Any) -> str:
    """A review that waits for a decision on twenty changes; its run id."""
    start = ReviewInput(
        account_id=account_id,
        started_by="bench",
        interactive=True,
        execution=await bench.parts.execution(),
    )
    _, state = await start_review(bench.client, start, account)
    await bench.parts.store.open_run(state)
    changes = tuple(
        WantedChange(
            action=Action.ADD_NOTE,
            after={"title": f"Note {number}", "content": f"They said {number}."},
        )
        for number in range(CHANGES)
    )
    said = Propose(by="agent", changes=changes)
    done = await command(
        bench.parts, bench.client, state.review_id, "propose", said,
        run_id=state.run_id, command_id=uuid4().hex,
    )  # fmt: skip
    assert isinstance(done.answer, ProposalAnswer)
    return state.run_id


async def _link(bench: Bench) -> str:
    path = await make_link(bench.parts, "bench", (Role.ADMIN,), timedelta(hours=1))
    return f"{bench.stack.web_url}{path}"


def _browser(bench: Bench, link: str) -> "_SignedIn":
    return _SignedIn(bench.stack.web_url or "", link)


class _SignedIn:
    """A connection with a session."""

    def __init__(self, base: str, link: str) -> None:
        self._http = httpx2.AsyncClient(base_url=base, follow_redirects=True, timeout=30)
        self._link = link

    async def __aenter__(self) -> httpx2.AsyncClient:
        page = await self._http.get(self._link)
        action = _ACTION.search(page.text)
        assert action is not None, page.text
        answer = await self._http.post(action[1], data=dict(_FIELD.findall(page.text)))
        assert answer.status_code == 200, answer.text
        return self._http

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()


async def _pages(
    bench: Bench, browser: httpx2.AsyncClient, run_id: str, result: Result, rounds: int
) -> None:
    request = await _short_id(bench, run_id)
    for statement, rows in ((_CLOSED, REVIEWS - PENDING), (_WAITING, PENDING),
                            (_REQUESTS, PENDING)):  # fmt: skip
        await bench.parts.statements.execute(statement, rows=rows, run_id=run_id)
    await bench.parts.statements.execute(_NUMBERS, rows=PENDING)
    for table in ("review_runs", "approval_requests", "request_numbers"):
        await bench.parts.statements.execute(f"analyze reviews.{table}")
    reads = {
        f"inbox, first page of {PENDING:,} beside {REVIEWS:,} reviews": "/inbox?show=all",
        "that inbox, largest value first": "/inbox?show=all&sort=value",
        "that inbox, highest risk first": "/inbox?show=all&sort=risk",
        f"request page, {CHANGES} changes": f"/requests/{request}",
    }
    for what, path in reads.items():
        times, size = [], 0
        for number in range(rounds + 5):
            began = time.perf_counter()
            answer = await browser.get(path)
            took = time.perf_counter() - began
            assert answer.status_code == 200, answer.text
            size = int(answer.headers.get("content-length") or len(answer.content))
            if number >= 5:  # the first ones fill caches
                times.append(took)
        result.samples[what] = [round(one * 1000, 2) for one in times]
        met = common.percentile(times, 0.5) <= 0.1
        result.rows.append(Row(what, spread(times, "ms", 1, scale=1000), "<= 100 ms", met))
        if path == "/inbox?show=all":
            row = Row("the same on the wire", f"{size / 1000:.0f} KB", "<= 150 KB", size <= 150_000)
            result.rows.append(row)


async def _short_id(bench: Bench, run_id: str) -> str:
    found = await bench.parts.statements.scalar(
        "select account_id || '-' || number from reviews.request_numbers "
        "join reviews.approval_requests using (request_id, account_id) where run_id = :run_id",
        run_id=run_id,
    )
    return str(found)


async def _clicks(bench: Bench, chromium: str, runs: list[str], result: Result) -> None:
    """From the click on Approve to the words that say what becomes of it."""
    from playwright.async_api import async_playwright

    times = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(locale="en-GB")
        await page.goto(await _link(bench))
        await page.get_by_role("button", name="Sign in").click()
        for run_id in runs:
            await page.goto(f"{bench.stack.web_url}/requests/{await _short_id(bench, run_id)}")
            await page.get_by_role("checkbox").first.check()
            await asyncio.sleep(0.5)
            # Its request goes on with the other nineteen, on the same page.
            shown = page.locator(".card .meta", has_text=_SAID).first
            began = time.perf_counter()
            await page.get_by_role("button", name="Approve").first.click(no_wait_after=True)
            await shown.wait_for(timeout=20_000)
            times.append(time.perf_counter() - began)
        await browser.close()
    result.samples["clicks"] = [round(one * 1000) for one in times]
    met = common.percentile(times, 0.95) <= 0.5
    result.rows.append(
        Row(f"{len(times)} clicks, to its words", spread(times, "ms", 0, scale=1000),
            "p95 <= 500 ms", met)
    )  # fmt: skip


if __name__ == "__main__":
    flags = common.parser(__doc__ or "")
    flags.add_argument("--rounds", type=int, default=ROUNDS)
    flags.add_argument("--clicks", type=int, default=CLICKS)
    common.main(measure, flags.parse_args())
