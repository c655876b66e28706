"""Approved writes to a fake Zoho that does not behave, by workers that are killed.

Answers get lost before and after the write, writes come after the connection has ended, answers
come too late, are cut short, or ask to slow down; other people change a record just before it is
written; single records are refused; and every few seconds a worker is killed. What is looked at in
the end is what the reviews say, against what the fake wrote.
"""

import argparse
import asyncio
import os
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.proposals import Action, ItemState
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.approvals import Item
from account_reviews.domain.review.commands import (
    ProposalAnswer,
    Propose,
    WantedChange,
    WantedRecord,
)
from account_reviews.domain.review.messages import Verdict
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.fakes.faults import FaultAction, FaultPlan, FaultRule, Match
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.server import serving
from account_reviews.fakes.zoho.org import Org, Written
from account_reviews.fakes.zoho.service import create_zoho
from account_reviews.services.control import command
from account_reviews.temporal.names import operation_id
from bench import common
from bench.common import Bench, Result, Row, spread
from bench.driving import accounts_of
from starter import start_review

SECONDS: Final = 3600.0
API_TIMEOUT: Final = 3
BREAKER_OPEN_S: Final = 2
"""As shipped it is a minute, and with so many faults it would be open most of the time."""
LATENCY_MS: Final = 20
LOOK_EVERY: Final = 1.0
PER_REVIEW: Final = 20
_OPEN: Final = (ItemState.PROPOSED, ItemState.APPROVED, ItemState.ADJUSTED)
_YES: Final = (Verdict.APPROVE, Verdict.ADJUST)
_COMPARED: Final = {"phone": "Phone", "title": "Title", "billing_city": "Billing_City"}
"""Our fields that are held against what stood in the CRM before the write."""


def faults(share: float) -> FaultPlan:
    """What goes wrong; a share of 1 troubles about every fourth write and every tenth read."""

    def rule(
        method: str, path: str, probability: float, action: FaultAction, **more: Any
    ) -> FaultRule:
        match = Match(method=method, path=path)
        return FaultRule(match=match, probability=probability * share, action=action, **more)

    late = {"delay_ms": API_TIMEOUT * 1_000 + 500}
    written = [("POST", "/crm/v8/Tasks"), ("POST", "/crm/v8/Notes"), ("PUT", "/crm/v8/*")]
    rules = [rule("PUT", "/crm/v8/*", 0.03, FaultAction.EDIT)]
    for method, path in written:
        rules += [
            rule(method, path, 0.04, FaultAction.DROP_AFTER),
            rule(method, path, 0.03, FaultAction.DROP_BEFORE),
            rule(method, path, 0.03, FaultAction.COMMIT_LATE, delay_ms=1_500),
            rule(method, path, 0.02, FaultAction.DELAY, **late),
            rule(method, path, 0.02, FaultAction.MALFORMED),
            rule(method, path, 0.02, FaultAction.STATUS, status=503),
            rule(method, path, 0.02, FaultAction.STATUS, status=429),
            rule(method, path, 0.01, FaultAction.ELEMENT_ERROR, code="INVALID_DATA"),
        ]
    rules += [
        rule("GET", "/crm/v8/*", 0.02, FaultAction.STATUS, status=502),
        rule("GET", "/crm/v8/*", 0.02, FaultAction.STATUS, status=429),
        rule("GET", "/crm/v8/*", 0.02, FaultAction.DROP_BEFORE),
        rule("POST", "/crm/v8/coql", 0.02, FaultAction.STATUS, status=503),
    ]
    return FaultPlan(seed=7, rules=tuple(rules))


@dataclass
class Run:
    """What the driver has done and seen."""

    bench: Bench
    app: FakeApp
    states: list[ReviewState] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    kills: int = 0
    calm: bool = False
    closed_early: list[str] = field(default_factory=list)
    """Reviews that ended before anything could be proposed: how, and why."""
    repeats: int = 0
    """Commands that were repeated, since nobody had answered."""

    @property
    def org(self) -> Org:
        org: Org = self.app.state.org
        return org


async def measure(arguments: argparse.Namespace) -> Result:
    """Propose, approve and write, then compare."""
    reviews = -(-arguments.writes // PER_REVIEW)
    options = FakeOptions(
        accounts=reviews,
        latency_ms=LATENCY_MS,
        faults=faults(arguments.faults),
        request_log=arguments.request_log,
        extra={"credits": 100_000_000, "concurrency": 20},
    )
    app = create_zoho(options)
    async with serving(app) as url:
        os.environ.update(app.env(url))
        os.environ["REVIEWS_API_TIMEOUT"] = str(API_TIMEOUT)
        os.environ["REVIEWS_BREAKER_OPEN_SECONDS"] = str(BREAKER_OPEN_S)
        async with common.fresh_stack() as bench:
            run = Run(bench, app)
            for _ in range(arguments.workers):
                await bench.stack.start_worker()
            began = time.monotonic()
            async with _killing(run, arguments.kill_every), _calming(run, arguments.calm_after):
                await _all(run, arguments.at_once)
            took = time.monotonic() - began
        await app.finish()
    return _result(run, took)


@asynccontextmanager
async def _killing(run: Run, every: float) -> AsyncIterator[None]:
    """Kill a worker again and again; the stack starts another one in its place."""

    async def kill() -> None:
        while every:
            await asyncio.sleep(every)
            pids = run.bench.stack.worker_pids
            if pids and not run.calm:
                await run.bench.stack.kill_worker(pids[0])
                run.kills += 1

    task = asyncio.create_task(kill())
    try:
        yield
    finally:
        task.cancel()


@asynccontextmanager
async def _calming(run: Run, after: float) -> AsyncIterator[None]:
    """Tell how far it is; after some time nothing goes wrong any more, so that it ends."""

    async def look() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(15)
            calm = time.monotonic() - began > after
            if calm:
                run.app.faults.set_plan(FaultPlan())
                run.calm = True
            wrote, done = len(run.org.written), len(run.states)
            print(f"{done} reviews, {wrote} writes{', calm' if calm else ''}", flush=True)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()


async def _all(run: Run, at_once: int) -> None:
    waiting = list(enumerate(await accounts_of(run.bench)))

    async def work() -> None:
        while waiting:
            number, account = waiting.pop()
            began = time.monotonic()
            start = ReviewInput(
                account_id=account.id,
                started_by="bench",
                interactive=True,
                execution=await run.bench.parts.execution(),
            )
            _, state = await start_review(run.bench.client, start, account)
            await run.bench.parts.store.open_run(state)
            run.states.append(await _one(run, state, number))
            run.seconds.append(time.monotonic() - began)

    await asyncio.gather(*(work() for _ in range(at_once)))


async def _one(run: Run, state: ReviewState, number: int) -> ReviewState:
    """Propose, approve whatever is asked, and close once nothing is open."""
    wanted = Propose(by="agent", changes=tuple(_changes(run.org, state.account_id, number)))
    if not isinstance(await _say(run, state, "propose", wanted), ProposalAnswer):
        return await _state(run, state)  # it is closed: nothing was asked, nothing is written
    approved: set[str] = set()
    while True:
        now = await _state(run, state)
        for request in now.requests:
            if request.request_id not in approved and any(
                item.state is ItemState.PROPOSED for item in request.items
            ):
                approved.add(request.request_id)
                await _approve(run, now, request.request_id)
        items = [item for request in now.requests for item in request.items]
        if items and not any(item.state in _OPEN for item in items):
            await _say(run, state, "close", None)
            return await _closed(run, state)
        await asyncio.sleep(LOOK_EVERY)


async def _state(run: Run, state: ReviewState) -> ReviewState:
    found = await run.bench.parts.reader.find_run(
        tenant=state.tenant, review_id=state.review_id, run_id=state.run_id
    )
    return found.state


async def _closed(run: Run, state: ReviewState) -> ReviewState:
    while True:
        now = await _state(run, state)
        if now.closed_at is not None:
            return now
        await asyncio.sleep(LOOK_EVERY)


async def _approve(run: Run, state: ReviewState, request_id: str) -> None:
    message = {"request_id": request_id, "decision": "approve", "approver": "somebody"}
    handle = run.bench.client.get_workflow_handle(state.review_id)
    await handle.signal("submit_decision", message)


async def _say(run: Run, state: ReviewState, verb: str, said: Propose | None) -> Any:
    """A command, repeated under its id for as long as nobody answers."""
    handle = run.bench.client.get_workflow_handle(state.review_id)
    if said is None:
        await handle.signal(verb, {"by": "bench", "outcome": "completed"})
        return None
    name = f"{verb}-{state.run_id}"
    while True:
        try:
            parts, client = run.bench.parts, run.bench.client
            done = await command(
                parts, client, state.review_id, verb, said, run_id=state.run_id, command_id=name
            )
            return done.answer
        except ReviewsError as error:
            run.repeats += 1
            now = await _state(run, state)
            if now.closed_at is not None:
                run.closed_early.append(f"{now.outcome}: {now.reason or ''}"[:100])
                return None
            name = name if error.exit_code == 5 else f"{name}+"
            await asyncio.sleep(LOOK_EVERY)


def _changes(org: Org, account_id: str, number: int) -> Iterator[WantedChange]:
    """Twenty writes of every kind to one account and what belongs to it, each with its own text."""
    for part in range(6):
        yield WantedChange(
            action=Action.CREATE_TASK,
            after={"subject": f"Call {number}-{part}", "priority": "high"},
        )
        yield WantedChange(
            action=Action.ADD_NOTE,
            after={"title": f"Note {number}-{part}", "content": f"They said {number}-{part}."},
        )
    yield _update(RecordType.ACCOUNT, account_id, billing_city=f"City {number}")
    for part, row in enumerate(org.children("Contacts", "Account_Name", account_id)):
        yield _update(RecordType.CONTACT, row.id, phone=f"+99 {number:05} {part}")
    for part, row in enumerate(org.children("Deals", "Account_Name", account_id)):
        stage = "Stalled" if part else "Closed Lost"
        yield WantedChange(
            action=Action.UPDATE_DEAL_STAGE,
            record=WantedRecord(type=RecordType.DEAL, id=row.id),
            after={"stage": stage},
        )


def _update(kind: RecordType, record_id: str, **after: str) -> WantedChange:
    action = Action.UPDATE_ACCOUNT if kind is RecordType.ACCOUNT else Action.UPDATE_CONTACT
    return WantedChange(
        action=action, record=WantedRecord(type=kind, id=record_id), after=dict(after)
    )


# What is compared in the end.


@dataclass
class Verdicts:
    """Approved changes by what became of them."""

    executed: int = 0
    told: Counter[str] = field(default_factory=Counter)
    """Not written, and the review says so: action, state and why -> how many."""
    lost: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


def judge(run: Run) -> Verdicts:
    """Each approved change against what the fake wrote under its operation."""
    found = Verdicts()
    by_operation: dict[str, list[Written]] = defaultdict(list)
    for one in run.org.written:
        if one.by == run.org.api_user:
            by_operation[one.operation_id or "none"].append(one)
    known: set[str] = set()
    for state, item in _approved(run.states):
        name = operation_id(state.run_id, item.item_id)
        known.add(name)
        _judge(found, item, name, by_operation.get(name, []))
    found.orphans += sorted(by_operation.keys() - known)
    return found


def _approved(states: list[ReviewState]) -> Iterator[tuple[ReviewState, Item]]:
    """Each approved change once: one that was asked again after a conflict as it was asked last,
    since both are the same operation."""
    for state in states:
        last: dict[str, Item] = {}
        for request in state.requests:
            yes = {
                item_id
                for decision in request.decisions
                if decision.decision in _YES
                for item_id in decision.item_ids
            }
            for item in request.items:
                if item.item_id in yes:
                    last[item.item_id] = item
        for item in last.values():
            yield state, item


def _judge(found: Verdicts, item: Item, name: str, wrote: list[Written]) -> None:
    if len(wrote) > 1:
        found.duplicate.append(f"{name} {item.change.action}: {len(wrote)} writes")
    if item.state is ItemState.EXECUTED:
        found.executed += 1
        if not wrote:
            found.lost.append(f"{name} {item.change.action}: executed, and not written")
    else:
        why = f"{item.change.action} {item.state}: {(item.reason or '')[:60]}"
        found.told[why] += 1
        if wrote:
            found.lost.append(f"{name} {item.change.action}: {item.state}, and written")
    for one in wrote:
        if one.kind == "update" and (not one.guarded or not _as_shown(item, one)):
            found.blind.append(f"{name}: {item.change.before} was shown, {one.before} stood there")


def _as_shown(item: Item, one: Written) -> bool:
    return all(
        one.before.get(theirs) == item.change.before.get(ours)
        for ours, theirs in _COMPARED.items()
        if ours in item.change.after
    )


def _result(run: Run, took: float) -> Result:
    found = judge(run)
    total = found.executed + sum(found.told.values())
    met = Counter(line.fault for line in run.app.log.lines if line.fault)
    calls = len(run.app.log.lines)
    result = Result("zoho_writes")
    result.rows = [
        Row("approved changes", f"{total} of {len(run.states)} reviews"),
        Row("lost", str(len(found.lost)), "0", not found.lost),
        Row("duplicate", str(len(found.duplicate)), "0", not found.duplicate),
        Row("blind overwrites", str(len(found.blind)), "0", not found.blind),
        Row("written without an approval", str(len(found.orphans)), "0", not found.orphans),
        Row("written once", str(found.executed)),
        Row("not written, and told so", f"{sum(found.told.values())}: {dict(found.told)}"),
        Row("faults met", f"{sum(met.values())} of {calls} calls: {dict(met)}"),
        Row("workers killed", str(run.kills)),
        Row("reviews that could not begin", f"{len(run.closed_early)} {run.closed_early[:3]}"),
        Row("writes per second", f"{found.executed / took:.1f}"),
        Row("from start to end of a review of twenty writes", spread(run.seconds)),
    ]
    for what in ("lost", "duplicate", "blind", "orphans"):
        names: list[str] = getattr(found, what)
        result.broken += [f"{what}: {name}" for name in names[:20]]
    result.samples = {
        "faults": dict(met), "kills": run.kills, "repeats": run.repeats, "calls": calls,
        "told": dict(found.told), "executed": found.executed, "seconds": took,
        "reviews": [round(one, 1) for one in run.seconds],
    }  # fmt: skip
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=SECONDS)
    flags.add_argument("--writes", type=int, default=10_000, help="approved changes")
    flags.add_argument("--workers", type=int, default=3, help="worker processes")
    flags.add_argument("--at-once", type=int, default=24, help="reviews at a time")
    flags.add_argument("--kill-every", type=float, default=15.0, help="seconds; 0: never")
    flags.add_argument("--faults", type=float, default=1.0, help="how much goes wrong; 0: nothing")
    flags.add_argument(
        "--calm-after", type=float, default=2400.0, help="seconds; from then on nothing goes wrong"
    )
    flags.add_argument("--request-log", type=Path, help="a file for the requests")
    common.main(measure, flags.parse_args())
