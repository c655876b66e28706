"""How soon a fresh review is in `list` and `show`, with and without other work.

Measured from the start's return to the first time that both the list and the single row of the
read model show the review. `reviews start` writes the row before it returns. For a review that a
program starts through Temporal alone, the review's own first step writes it.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from account_reviews.domain.errors import ReviewNotFoundError
from account_reviews.domain.records import Account
from account_reviews.domain.review.state import Execution
from account_reviews.store.review_queries import RunFilter
from bench import common, portfolio
from bench.common import Bench, Result, Row, percentile, spread
from bench.driving import Approver, accounts_of, review_all, start_with_state, worker_process

TARGET_SECONDS = 1.0
LOAD = 32
FRESH_COPIES = 5
LOAD_COPIES = 8
BY_COMMAND = "by `reviews start`"
BY_PROGRAM = "by a program through Temporal alone"


async def measure(arguments: argparse.Namespace) -> Result:
    """Fresh reviews one after another, first alone, then beside LOAD working ones."""
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, FRESH_COPIES + LOAD_COPIES)
        accounts = await accounts_of(bench)
        copies = [_copy(accounts, number) for number in range(1, FRESH_COPIES + LOAD_COPIES + 1)]
        fresh = [copy[: arguments.reviews] for copy in copies[:FRESH_COPIES]]
        others = [account for copy in copies[FRESH_COPIES:] for account in copy]
        execution = await bench.parts.execution()
        times: dict[str, list[float]] = {}
        async with (
            worker_process(bench, *common.worker_flags(arguments)),
            Approver(bench.parts, bench.client).working(),
        ):
            await _starts(bench, fresh.pop()[:5], execution, BY_COMMAND)
            for how in (BY_COMMAND, BY_PROGRAM):
                times[f"{how}, alone"] = await _starts(bench, fresh.pop(), execution, how)
            async with _load(bench, others, execution) as load:
                for how in (BY_COMMAND, BY_PROGRAM):
                    key = f"{how}, beside {LOAD} working reviews"
                    times[key] = await _starts(bench, fresh.pop(), execution, how)
                enough = not load.done()
    return _result(times, load_lasted=enough)


def _copy(accounts: Sequence[Account], number: int) -> list[Account]:
    ids = {portfolio.copy_of(number, one) for one in portfolio.account_ids()}
    return [account for account in accounts if account.id in ids]


@asynccontextmanager
async def _load(
    bench: Bench, accounts: Sequence[Account], execution: Execution
) -> AsyncIterator[asyncio.Task[object]]:
    """LOAD reviews at work in the background."""
    load: asyncio.Task[object] = asyncio.create_task(
        review_all(bench, accounts, execution, in_flight=LOAD)
    )
    await asyncio.sleep(1)
    try:
        yield load
    finally:
        load.cancel()
        with suppress(asyncio.CancelledError):
            await load


async def _starts(
    bench: Bench, accounts: Sequence[Account], execution: Execution, how: str
) -> list[float]:
    times = []
    for account in accounts:
        handle, state = await start_with_state(bench, account, execution)
        if how == BY_COMMAND:
            await bench.parts.store.open_run(state)
        returned = time.monotonic()
        await _until_shown(bench, handle.id, state.run_id)
        times.append(time.monotonic() - returned)
    return times


async def _until_shown(bench: Bench, review_id: str, run_id: str) -> None:
    # The database notifies nobody of a new row, so it is asked.
    while not await _is_shown(bench, review_id, run_id):  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def _is_shown(bench: Bench, review_id: str, run_id: str) -> bool:
    reader = bench.parts.reader
    page = await reader.list_runs(RunFilter(), cursor=None, limit=50)
    try:
        found = await reader.find_run(tenant="default", review_id=review_id)
    except ReviewNotFoundError:
        return False
    return found.state.run_id == run_id and any(row.run_id == run_id for row in page.items)


def _result(times: dict[str, list[float]], *, load_lasted: bool) -> Result:
    result = Result("visible", samples=dict(times))
    for what, seconds in times.items():
        result.rows.append(
            Row(
                f"start returned to shown in list and show, {what} ({len(seconds)} reviews)",
                spread(seconds, "ms", 0, scale=1000),
                f"<= {TARGET_SECONDS:g} s",
                percentile(seconds, 1.0) <= TARGET_SECONDS,
            )
        )
    if not load_lasted:
        result.broken.append("the load ended before the fresh reviews; give fewer --reviews")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--reviews", type=int, default=30, help="fresh ones per row (default 30)")
    common.main(measure, flags.parse_args())
