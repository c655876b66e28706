"""How long it takes from an event to its row: under a steady load, by kind of row."""

import argparse
import asyncio

from sqlalchemy import text

from bench import common, portfolio, trail
from bench.common import Result, Row, percentile
from bench.driving import accounts_of, worker_process
from bench.trail import PatientApprover

ACCOUNTS_PER_COPY = 64
TARGET_SECONDS = 1.0
WARM_UP = 20
SETTLE_SECONDS = 3.0

_LAGS = text(
    "select source, extract(epoch from recorded_at - at)::float8 as lag "
    "from audit.audit_events where at > (select max(at) from audit.audit_events "
    "where workflow_id = :last and event_type = 'session_ended') "
)


async def measure(arguments: argparse.Namespace) -> Result:
    """One load on one stack; the first reviews warm the worker up and do not count."""
    needed = round(arguments.seconds * arguments.rate) + WARM_UP
    async with common.fresh_stack() as bench:
        await portfolio.fill_with_copies(bench, -(-needed // ACCOUNTS_PER_COPY))
        accounts = (await accounts_of(bench))[:needed]
        execution = await bench.parts.execution()
        async with (
            worker_process(bench, *common.worker_flags(arguments)),
            PatientApprover(bench.parts, bench.client).working(),
        ):
            await trail.steady(bench, accounts[:WARM_UP], execution, arguments.rate)
            await asyncio.sleep(SETTLE_SECONDS)
            done = await trail.steady(bench, accounts[WARM_UP:], execution, arguments.rate)
            await asyncio.sleep(SETTLE_SECONDS)
        last = f"review/{accounts[WARM_UP - 1].id}"
        async with bench.parts.audit.engine.connect() as connection:
            found = (await connection.execute(_LAGS, {"last": last})).all()
        checked = await trail.check(bench.client, bench.parts.audit.engine)
    lags: dict[str, list[float]] = {}
    for row in found:
        lags.setdefault(row.source, []).append(row.lag)
    result = Result("audit_lag", samples=lags)
    for source, values in sorted(lags.items(), key=lambda item: item[0] != "history"):
        shown = ", ".join(
            f"{name} {percentile(values, share):.3f}"
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        )
        result.rows.append(
            Row(
                f"from the event to its row, {source}, {len(values)} rows",
                f"{shown} s",
                "p99 <= 1 s",
                percentile(values, 0.99) <= TARGET_SECONDS,
            )
        )
    result.rows.append(Row("reviews", f"{len(done)} at {arguments.rate:g} per second"))
    result.rows.append(
        Row("stored without reconciling", f"{checked.share:.3f} % of {checked.events} events")
    )
    result.broken += [one.outcome for one in done if one.failed][:1]
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0])
    flags.add_argument("--seconds", type=float, default=60.0)
    flags.add_argument("--rate", type=float, default=4.0, help="reviews started per second (4)")
    common.main(measure, flags.parse_args())
