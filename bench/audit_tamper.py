"""Ten thousand tamperings of seven kinds: how many does a verification find?

First with a sealed trail of made-up rows: each tampering is one transaction of a superuser with
all triggers off, in which the whole trail is verified before it is rolled back. Then with real
reviews whose rows no seal covers: there the comparison with the histories has to find it, by the
code that `reviews audit verify` runs.
"""

import argparse
import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.history.comparison import YOUNG
from account_reviews.audit.history.reconciler import Reconciler
from account_reviews.audit.seals.anchors import open_anchors
from account_reviews.audit.seals.keys import public_keys, signing_key
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.audit.verify.completeness import add_completeness
from account_reviews.audit.verify.verifier import Report, Verifier
from account_reviews.domain.audit.redaction import rules_of
from bench import common, portfolio
from bench.common import Bench, Result, Row
from bench.driving import Approver, accounts_of, review_all, worker_process
from bench.tampering import Tamperer, fill

SEALS: Final = 9
REVIEWS: Final = 18
EVENTS: Final = 6
NOTHING_BUT_HISTORY: Final = (
    "event_id", "source", "tenant", "event_type", "severity", "actor", "action", "resource",
    "review_id", "account_id", "trace_id", "details", "at",
)  # fmt: skip
"""Columns the history knows. Number, transaction and time of recording it does not know."""

_COPIED: Final = (
    "source, tenant, event_type, severity, actor, action, resource, review_id, account_id, "
    "workflow_id, run_id, trace_id, details"
)
_OFF: Final = "set local session_replication_role = replica"
_OF_RUN: Final = text(
    "select event_id, at from audit.audit_events where source = 'history' "
    "and workflow_id = :workflow order by at, event_id"
)
_EMPTY: Final = "truncate audit.audit_events, audit.seals"


async def measure(arguments: argparse.Namespace) -> Result:
    """Both parts on one stack."""
    chance = random.Random(arguments.seed)
    async with common.fresh_stack() as bench:
        began = time.monotonic()
        made, found, named = await _sealed(bench, chance, arguments.tamperings)
        seconds = time.monotonic() - began
        young_made, young_found = await _young(bench, chance, arguments.young)
    total, hits = sum(made.values()), sum(found.values())
    young, young_hits = sum(young_made.values()), sum(young_found.values())
    result = Result("audit_tamper", samples={"made": dict(made), "found": dict(found)})
    result.rows = [
        Row(
            f"tamperings of {len(made)} kinds in sealed rows, found",
            f"{hits} of {total} ({100 * hits / total:.3f} %)",
            "100 %",
            hits == total,
        ),
        *(Row(f"  {kind}", f"{found[kind]} of {count}") for kind, count in made.items()),
        Row("  the tampered row itself is named", f"{named[1]} of {named[0]} that can be"),
        Row("  one tampering and one verification", f"{1000 * seconds / total:.1f} ms"),
        Row(
            "tamperings in rows that no seal covers, found by the histories of real reviews",
            f"{young_hits} of {young} ({100 * young_hits / max(1, young):.3f} %)",
            "100 %",
            young_hits == young,
        ),
        *(
            Row(f"  {kind}", f"{young_found[kind]} of {count}")
            for kind, count in young_made.items()
        ),
    ]
    if hits < total or young_hits < young:
        result.broken.append("a tampering was not found")
    return result


async def _sealed(
    bench: Bench, chance: random.Random, tamperings: int
) -> tuple[Counter[str], Counter[str], tuple[int, int]]:
    settings, engine = bench.parts.settings, bench.parts.audit.engine
    key, anchors = signing_key(settings.signing_key), open_anchors(settings.seals_place)
    await fill(engine, Sealer(engine, key, anchors), REVIEWS, EVENTS, SEALS)
    verifier = Verifier(engine, public_keys(settings.signing_key), anchors)
    if not (await verifier.verify()).ok:
        raise RuntimeError("the untouched trail is not as it was written")
    made, found = Counter[str](), Counter[str]()
    nameable = named = 0
    for number in range(tamperings):
        async with engine.connect() as connection:
            ways = Tamperer(connection, key, chance).ways()
            kind = list(ways)[number % len(ways)]
            done = await ways[kind]()
            report = await verifier.verify_on(connection)
            await connection.rollback()
        made[kind] += 1
        found[kind] += not report.ok
        if done.event_ids:
            nameable += 1
            named += set(done.event_ids) <= {one.event_id for one in report.faults}
    if not (await verifier.verify()).ok:
        raise RuntimeError("a tampering was not rolled back")
    return made, found, (nameable, named)


async def _young(
    bench: Bench, chance: random.Random, tamperings: int
) -> tuple[Counter[str], Counter[str]]:
    """Reviews of the sample portfolio; their rows, stripped of every seal."""
    engine, rules = bench.parts.audit.engine, rules_of(bench.parts.policy)
    await _as_owner(engine, _EMPTY)
    await portfolio.fill_with_copies(bench, 1)
    async with worker_process(bench), Approver(bench.parts, bench.client).working():
        done = await review_all(
            bench, await accounts_of(bench), await bench.parts.execution(), in_flight=4
        )
    reconciler = Reconciler(bench.client, engine, bench.parts.engine, rules)
    await reconciler.full(now=datetime.now(UTC))
    await _as_owner(engine, "truncate audit.seals")
    await asyncio.sleep(2 * YOUNG.total_seconds())  # what is younger is not missed yet
    workflows = [one.handle.id for one in done]
    made, found = Counter[str](), Counter[str]()
    for number in range(tamperings):
        workflow = chance.choice(workflows)
        if not (await _compared(bench, workflow)).ok:
            raise RuntimeError(f"the untouched rows of {workflow} are not what its history says")
        async with engine.connect() as connection:
            rows = list(await connection.execute(_OF_RUN, {"workflow": workflow}))
        ways = ("edit", "deletion", "insertion", "swap", "truncated tail")
        kind = ways[number % len(ways)]
        await _as_owner(engine, *_keep(workflow), *_tamper(kind, rows, chance))
        report = await _compared(bench, workflow)
        await _as_owner(engine, *_restore(workflow))
        made[kind] += 1
        found[kind] += not report.ok
    return made, found


async def _compared(bench: Bench, workflow: str) -> Report:
    report = Report()
    engine, rules = bench.parts.audit.engine, rules_of(bench.parts.policy)
    await add_completeness(report, bench.client, engine, rules, workflow_id=workflow)
    if report.warnings:
        raise RuntimeError(report.warnings[0])
    return report


def _tamper(kind: str, rows: Sequence[Any], chance: random.Random) -> list[str]:
    one, other = (row.event_id for row in chance.sample(rows, 2))
    where = f"where event_id = '{one}'"
    if kind == "edit":
        return [f"update audit.audit_events set {_change(chance)} {where}"]
    if kind == "deletion":
        return [f"delete from audit.audit_events {where}"]
    if kind == "insertion":
        copied = f"select event_id || '000', at, {_COPIED} from audit.audit_events {where}"
        return [f"insert into audit.audit_events (event_id, at, {_COPIED}) {copied}"]
    if kind == "swap":
        both = f"event_id in ('{one}', '{other}')"
        moved = "event_type = o.event_type, action = o.action, details = o.details"
        pairs = f"e.{both} and o.{both} and e.event_id <> o.event_id"
        return [f"update audit.audit_events e set {moved} from audit.audit_events o where {pairs}"]
    cut = rows[chance.randrange(1, len(rows)) :]
    ids = ", ".join(f"'{row.event_id}'" for row in cut)
    return [f"delete from audit.audit_events where event_id in ({ids})"]


def _change(chance: random.Random) -> str:
    name = chance.choice(NOTHING_BUT_HISTORY)
    values = {
        "source": "'fact'",
        "severity": "case severity when 'critical' then 'info' else 'critical' end",
        "details": "details || '{\"more\": 1}'",
        "at": "at + interval '1 microsecond'",
    }
    return f"{name} = {values.get(name, f'coalesce({name}, $$$$) || $$x$$')}"


def _keep(workflow: str) -> list[str]:
    rows = f"select * from audit.audit_events where workflow_id = '{workflow}'"
    return [
        "create table if not exists public.kept (like audit.audit_events)",
        "truncate public.kept",
        f"insert into public.kept {rows}",
    ]


def _restore(workflow: str) -> list[str]:
    kept = "event_id in (select event_id from public.kept)"
    return [
        f"delete from audit.audit_events where workflow_id = '{workflow}' or {kept}",
        "insert into audit.audit_events select * from public.kept",
    ]


async def _as_owner(engine: AsyncEngine, *statements: str) -> None:
    async with engine.begin() as connection:
        for statement in (_OFF, *statements):
            await connection.exec_driver_sql(statement)


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=1200)
    flags.add_argument("--tamperings", type=int, default=10_000)
    flags.add_argument("--young", type=int, default=300, help="tamperings in unsealed rows")
    flags.add_argument("--seed", type=int, default=5)
    common.main(measure, flags.parse_args())
