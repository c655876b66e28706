"""How much history a review writes: events of the common cases, bytes of a large account."""

import argparse
from typing import Any, NamedTuple

from sqlalchemy import text

from bench import common, portfolio
from bench.common import Bench, Result, Row
from bench.driving import Approver, accounts_of, review_all, worker_process

MOST_EVENTS_ONE_WRITE = 30
MOST_EVENTS_NOTHING_TO_DO = 18
MOST_BYTES = 200_000
ACTIVITIES = 20_000

_ADD_ACTIVITIES = text(
    "insert into crm.activities (id, account_id, type, subject, at, participants) "
    "select 'many-' || n, :account, case n % 3 when 0 then 'Email' when 1 then 'Call' "
    "else 'Meeting' end, 'Talk number ' || n || ' about the renewal', "
    "timestamptz '2026-09-30' - n * interval '260 minutes', '{}' "
    "from generate_series(1, :count) as n"
)


class Size(NamedTuple):
    account: str
    outcome: str
    writes: int
    events: int
    bytes: int


async def measure(arguments: argparse.Namespace) -> Result:
    """Review the portfolio once; one of its accounts has ten years of activities."""
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, 1)
        large = portfolio.account_ids("renewing")[0]
        await _add_activities(bench, large, arguments.activities)
        async with (
            worker_process(bench, *common.worker_flags(arguments)),
            Approver(bench.parts, bench.client).working(),
        ):
            done = await review_all(
                bench, await accounts_of(bench), await bench.parts.execution(), in_flight=8
            )
        sizes = [await _size(one.handle, one.outcome, one.writes) for one in done]
    return _result(sizes, large, arguments.activities)


async def _add_activities(bench: Bench, account: str, count: int) -> None:
    async with bench.parts.engine.begin() as connection:
        await connection.execute(_ADD_ACTIVITIES, {"account": account, "count": count})
        found = await connection.scalar(
            text("select count(*) from crm.activities where account_id = :account"),
            {"account": account},
        )
    if found is None or found < count:
        raise RuntimeError(f"{account} has only {found} activities")


async def _size(handle: Any, outcome: str, writes: int) -> Size:
    info = (await handle.describe()).raw_description.workflow_execution_info
    account = handle.id.rpartition("/")[2]
    return Size(account, outcome, writes, info.history_length, info.history_size_bytes)


def _result(sizes: list[Size], large: str, activities: int) -> Result:
    one_write = [size for size in sizes if size.writes == 1 and size.account != large]
    nothing = [size for size in sizes if size.outcome == "nothing_to_do"]
    big = next(size for size in sizes if size.account == large)
    result = Result("events", samples={"sizes": [size._asdict() for size in sizes]})
    result.rows = [
        _events("one approved write", one_write, MOST_EVENTS_ONE_WRITE),
        _events("nothing to do", nothing, MOST_EVENTS_NOTHING_TO_DO),
        Row(
            f"history of an account with {activities:,} activities ({big.outcome},"
            f" {big.writes} writes)",
            f"{big.bytes / 1000:.1f} KB, {big.events} events",
            f"< {MOST_BYTES // 1000} KB",
            big.bytes < MOST_BYTES,
        ),
    ]
    largest = max(sizes, key=lambda size: size.writes)
    result.rows.append(
        Row(
            f"history of the review with most writes ({largest.writes})",
            f"{largest.bytes / 1000:.1f} KB, {largest.events} events",
        )
    )
    failed = [size.account for size in sizes if size.outcome.startswith("failed")]
    if failed:
        result.broken.append(f"reviews failed: {', '.join(failed)}")
    return result


def _events(what: str, sizes: list[Size], most: int) -> Row:
    counts = sorted({size.events for size in sizes})
    shown = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return Row(
        f"history events of a review with {what} ({len(sizes)} reviews)",
        shown,
        f"<= {most}",
        counts[-1] <= most,
    )


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--activities", type=int, default=ACTIVITIES, help="of the large account")
    common.main(measure, flags.parse_args())
