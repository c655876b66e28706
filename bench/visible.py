"""How soon a fresh review is in `list` and `show`, with and without other work.

Measured from the start call's return to the first time that both the list and the single row of
the read model show the review. The row is written by the review's own first step, as for every
review that a program or a schedule starts; `reviews start` writes it itself before it returns.
"""

import argparse
import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from account_reviews.domain.errors import ReviewNotFoundError
from account_reviews.domain.records import Account
from account_reviews.domain.review import Execution
from account_reviews.store.reading import RunFilter
from bench import common, portfolio
from bench.common import Bench, Result, Row, percentile, spread
from bench.driving import Approver, Handle, accounts_of, review_all, start, worker_process

TARGET_SECONDS = 1.0
LOAD = 32
LOAD_COPIES = 4


async def measure(arguments: argparse.Namespace) -> Result:
    """Fresh reviews one after another, first alone, then beside LOAD working ones."""
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, LOAD_COPIES + 3)
        accounts = await accounts_of(bench)
        execution = await bench.parts.execution()
        idle, loaded, warm_up = (
            _copy(accounts, LOAD_COPIES + number)[: arguments.reviews] for number in (1, 2, 3)
        )
        async with worker_process(bench), Approver(bench.parts, bench.client).working():
            await _starts(bench, warm_up[:5], execution)
            alone = await _starts(bench, idle, execution)
            others = [one for one in accounts if one not in (*idle, *loaded, *warm_up)]
            beside, reviewed = await _beside_load(bench, others, loaded, execution)
    return _result(alone, beside, reviewed)


def _copy(accounts: Sequence[Account], number: int) -> list[Account]:
    return [account for account in accounts if account.id.startswith(f"{number}-")]


async def _beside_load(
    bench: Bench, others: Sequence[Account], fresh: Sequence[Account], execution: Execution
) -> tuple[list[float], int]:
    """The times, and how many reviews were at work when the last fresh one started."""
    load = asyncio.create_task(review_all(bench, others, execution, in_flight=LOAD))
    await asyncio.sleep(1)
    times = await _starts(bench, fresh, execution)
    still_at_work = 0 if load.done() else LOAD
    load.cancel()
    with suppress(asyncio.CancelledError):
        await load
    return times, still_at_work


async def _starts(
    bench: Bench, accounts: Sequence[Account], execution: Execution
) -> list[float]:
    times = []
    for account in accounts:
        handle = await start(bench, account, execution)
        returned = time.monotonic()
        while not await _is_shown(bench, handle):
            await asyncio.sleep(0.005)
        times.append(time.monotonic() - returned)
    return times


async def _is_shown(bench: Bench, handle: Handle) -> bool:
    run_id, reader = handle.first_execution_run_id, bench.parts.reader
    page = await reader.list_runs(RunFilter(), cursor=None, limit=50)
    try:
        found = await reader.find_run(tenant="default", review_id=handle.id)
    except ReviewNotFoundError:
        return False
    return found.state.run_id == run_id and any(row.run_id == run_id for row in page.items)


def _result(alone: list[float], beside: list[float], at_work: int) -> Result:
    result = Result("visible", samples={"alone": alone, "beside_load": beside})
    for what, times in (("alone", alone), (f"beside {LOAD} working reviews", beside)):
        result.rows.append(
            Row(
                f"start returned to shown in list and show, {what} ({len(times)} reviews)",
                spread(times, "ms", 0, scale=1000),
                f"<= {TARGET_SECONDS:g} s",
                percentile(times, 1.0) <= TARGET_SECONDS,
            )
        )
    if not at_work:
        result.broken.append("the load ended before the fresh reviews; give fewer --reviews")
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--reviews", type=int, default=30, help="fresh ones per row (default 30)")
    common.main(measure, flags.parse_args())
