"""What looking costs a process that is there: lists, one review, the resume decision.

10,000 rows of reviews beside real ones, one real worker. Each read is done as its command does it,
over a connection that stands: the start of the interpreter and its imports are measured by
`bench.cli`. The plan of each filter is looked at too: one that reads the whole table breaks the
run.
"""

import argparse
import json
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from statistics import median
from typing import Any, Final

from account_reviews.bootstrap import Parts
from account_reviews.domain.canonical import plain
from account_reviews.presentation.review_table import run_document
from account_reviews.services.resume import decide_on
from account_reviews.services.reviews import show_review
from account_reviews.store.review_queries import RunFilter
from bench import common, portfolio
from bench.common import Result, Row
from bench.driving import worker_process

ROUNDS: Final = 60
ROWS: Final = 10_000
PAGE: Final = 100
MOST_MS: Final = {"list": 10.0, "closed": 5.0, "open": 30.0, "resume": 10.0}

_COPIES: Final = """
insert into reviews.review_runs (
  run_id, review_id, tenant, account_id, owner_id, name, agent, purpose, kind, phase, status,
  outcome, risk_level, risk_score, health_score, waiting_on, needs_attention, state, version,
  started_at, updated_at, closed_at
)
select
  'copy-' || n, 'review/copy-' || n % 2000, tenant, 'copy-' || n % 2000, 'ow-' || n % 40,
  'name ' || n % 500, 'agent ' || n % 25, 'purpose ' || n % 30,
  (array['scheduled', 'on_demand', 'manual', 'event'])[1 + n % 4], phase, status, outcome,
  (array['critical', 'high', 'medium', 'low', 'none', 'unknown'])[1 + n % 6], risk_score,
  health_score, '[]', n % 7 = 0, state, 1, started_at - make_interval(mins => n), updated_at,
  closed_at
from reviews.review_runs, generate_series(1, :rows) as n
where run_id = :run_id
"""
"""Of a real closed review, so that rows are as large as rows are."""

FILTERS: Final[dict[str, Any]] = {
    "owner": "ow-7",
    "account": "copy-77",
    "name": "name 3",
    "agent": "agent 3",
    "purpose": "purpose 6",
    "phase": "approval",
    "status": "waiting",
    "kind": "undo",
    "outcome": "rejected",
    "risk_level": "critical",
    "since": datetime.now(UTC) - timedelta(hours=40),
    "until": datetime.now(UTC) - timedelta(hours=40),
    "waiting_on": "nobody",
    "needs_attention": True,
}


async def measure(arguments: argparse.Namespace) -> Result:
    """All reads against a stack of their own."""
    result = Result("look")
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, 1)
        async with worker_process(bench, *common.worker_flags(arguments)):
            await _measure(bench.parts, result, arguments.rounds)
    return result


async def _measure(parts: Parts, result: Result, rounds: int) -> None:
    closed, waiting = await _reviewed(parts)
    run = (await parts.reader.find_run(tenant="default", review_id=closed)).state.run_id
    await parts.statements.execute(_COPIES, rows=ROWS, run_id=run)
    await parts.statements.execute("analyze reviews.review_runs")
    client = await parts.connect()

    async def connect() -> Any:
        return client

    async def page(wanted: RunFilter) -> None:
        found = await parts.reader.list_runs(wanted, cursor=None, limit=PAGE)
        json.dumps(plain([run_document(row) for row in found.items]))

    async def shown(review: str) -> None:
        _, _, document = await show_review(parts, connect, review)
        json.dumps(plain(document))

    reads: list[tuple[str, str, Callable[[], Awaitable[object]]]] = [
        (f"list of {PAGE} out of {ROWS:,}", "list", lambda: page(RunFilter())),
        *(
            (f"list by {name}", "list", partial(page, RunFilter(where={name: value})))
            for name, value in FILTERS.items()
        ),
        ("show, a closed review", "closed", lambda: shown(closed)),
        ("show, an open review that is cached", "open", lambda: shown(waiting)),
        ("resume decision, a closed one", "resume", lambda: decide_on(parts, connect, closed)),
        ("resume decision, an open one", "resume", lambda: decide_on(parts, connect, waiting)),
    ]
    for what, target, read in reads:
        times = await _timed(read, rounds)
        most = MOST_MS[target]
        measured = f"median {median(times):.1f}, {common.spread(times, 'ms', 1)}"
        result.samples[what] = [round(one, 3) for one in times]
        result.rows.append(Row(what, measured, f"<= {most:g} ms", median(times) <= most))
    for name, value in FILTERS.items():
        steps = await _steps(parts, name, value)
        if "Seq Scan" in steps:
            result.broken.append(f"list by {name} reads the whole table")
    indexed = len(FILTERS) - len(result.broken)
    result.rows.append(
        Row("filters whose rows an index finds", f"{indexed} of {len(FILTERS)}", "all",
            not result.broken)
    )  # fmt: skip


async def _timed(read: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    """Milliseconds."""
    times: list[float] = []
    for number in range(rounds + 5):
        began = time.perf_counter()
        await read()
        if number >= 5:  # the first ones fill caches
            times.append((time.perf_counter() - began) * 1000)
    return times


async def _steps(parts: Parts, name: str, value: Any) -> list[str]:
    query = RunFilter(where={name: value}).statement(later=False)
    found = await parts.statements.scalar(
        f"explain (format json) {query}", tenant="default", limit=PAGE + 1, **{name: value}
    )
    return _nodes(json.loads(found)[0]["Plan"])


def _nodes(plan: dict[str, Any]) -> list[str]:
    return [plan["Node Type"], *(one for part in plan.get("Plans", ()) for one in _nodes(part))]


async def _reviewed(parts: Parts) -> tuple[str, str]:
    """A review that is closed and one that waits."""
    import asyncio
    import os
    import subprocess

    from bench.cli import _words

    env = {**os.environ, "REVIEWS_DATA_DIR": str(parts.settings.data_dir)}
    words = _words("start", "--all", "--wait")
    done = await asyncio.to_thread(
        subprocess.run, words, env=env, check=True, stdout=subprocess.DEVNULL
    )
    assert done.returncode == 0
    found = []
    for where in ({"outcome": "nothing_to_do"}, {"status": "waiting"}):
        page = await parts.reader.list_runs(RunFilter(where=dict(where)), cursor=None, limit=1)
        found.append(page.items[0].review_id)
    return found[0], found[1]


if __name__ == "__main__":
    parser = common.parser(__doc__ or "", limit=600)
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="reads of each")
    common.main(measure, parser.parse_args())
