"""How quickly the trail is verified: rows a second on one core and on all.

The rows are made up and of the size of real ones; the sealer closes them as it always does.
PostgreSQL works on the same cores beside whoever checks.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

# Each process that checks runs this file again: what is heavy is imported where it is used.
if TYPE_CHECKING:
    import argparse

    from sqlalchemy.ext.asyncio import AsyncEngine

    from bench.common import Bench, Result

TARGET = 20_000
EVENTS = 50
AT_ONCE = 4
BATCH = 20
"""Reviews that are written in one statement."""


async def measure(arguments: argparse.Namespace) -> Result:
    """Write, seal, and verify in each way, one after the other."""
    from bench import common
    from bench.common import Result, Row

    reviews = arguments.rows // EVENTS
    async with common.fresh_stack() as bench:
        engine = bench.parts.audit.engine
        began = time.monotonic()
        await _write(engine, reviews)
        written = time.monotonic() - began
        sealed, cpu = await _seal(bench)
        with _on_one_core(bench):
            pinned = await _verify(bench, 1, reviews * EVENTS)
        one = await _verify(bench, 1, reviews * EVENTS)
        cores = os.cpu_count() or 1
        all_cores = await _verify(bench, cores, reviews * EVENTS)
    rows = reviews * EVENTS
    result = Result(
        "audit_verify", samples={"pinned": pinned, "one": one, "all": all_cores, "rows": rows}
    )
    best = max(*one, *all_cores)
    result.rows = [
        Row(f"verify of {rows:,} rows, all cores", _rate(best), ">= 20,000 rows/s", best >= TARGET),
        Row(f"  {cores} processes that check, the database beside them", _rate(max(all_cores))),
        Row("  one process that checks, the database beside it", _rate(max(one))),
        Row("  both on one core", _rate(max(pinned))),
        Row("sealing", f"{_rate(rows / sealed)}, {cpu / rows * 1e6:.1f} µs of CPU per row"),
        Row("writing", _rate(rows / written)),
    ]
    return result


async def _write(engine: AsyncEngine, reviews: int) -> None:
    from account_reviews.audit.store import insert
    from bench.tampering import event

    batches = iter(range(0, reviews, BATCH))

    async def one_after_another(starts: Iterator[int]) -> None:
        for first in starts:
            some = range(first, min(first + BATCH, reviews))
            rows = [event(number + 1, review) for review in some for number in range(EVENTS)]
            await insert(engine, rows)

    await asyncio.gather(*(one_after_another(batches) for _ in range(AT_ONCE)))


async def _seal(bench: Bench) -> tuple[float, float]:
    from account_reviews.audit.seals.anchors import open_anchors
    from account_reviews.audit.seals.keys import signing_key
    from account_reviews.audit.seals.sealer import Sealer

    settings = bench.parts.settings
    key, anchors = signing_key(settings.signing_key), open_anchors(settings.seals_place)
    began, cpu = time.monotonic(), _cpu()
    # Seals as they come when a busy system closes one each second.
    await Sealer(bench.parts.audit.engine, key, anchors, most=2000).seal_all()
    return time.monotonic() - began, _cpu() - cpu


async def _verify(bench: Bench, cores: int, rows: int) -> list[float]:
    """Rows a second, twice."""
    from account_reviews.audit.seals.anchors import open_anchors
    from account_reviews.audit.seals.keys import public_keys
    from account_reviews.audit.verify.verifier import Verifier

    settings = bench.parts.settings
    keys, anchors = public_keys(settings.signing_key), open_anchors(settings.seals_place)
    rates = []
    for _ in range(2):
        began = time.monotonic()
        verifier = Verifier(bench.parts.audit.engine, keys, anchors, cores=cores)
        report = await verifier.verify()
        rates.append(report.rows / (time.monotonic() - began))
        if not report.ok or report.rows != rows:
            raise RuntimeError(f"the trail is not as it was written: {report.document()}")
    return rates


@contextmanager
def _on_one_core(bench: Bench) -> Iterator[None]:
    """This process and the database share one core. Connections opened before are left alone."""
    from account_reviews.local.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(bench.stack.data_dir).pid
    assert server is not None
    before = os.sched_getaffinity(0)
    for pid in (0, server):
        os.sched_setaffinity(pid, {min(before)})
    try:
        yield
    finally:
        for pid in (0, server):
            os.sched_setaffinity(pid, before)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rate(rows: float) -> str:
    return f"{rows:,.0f} rows/s"


if __name__ == "__main__":
    from bench import common

    flags = common.parser(__doc__.splitlines()[0], limit=600)
    flags.add_argument("--rows", type=int, default=250_000)
    common.main(measure, flags.parse_args())
