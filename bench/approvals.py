"""Decisions that must not count, and some that must: by the rules alone, and over the wire.

Twenty decisions are made on each request (`bench.hostile`): 18 hostile or racing, 2 valid. By the
rules alone on 1,000 requests, with the checks of tokens and roles that a worker makes; as real
signals and updates, in turn, on 100 reviews with a worker process of their own.
"""

import argparse
import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import uuid4

from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from account_reviews.access.guard import Guard
from account_reviews.access.policy_file import PolicyFile
from account_reviews.domain.base import Timestamp
from account_reviews.domain.policy.model import load_policy
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review import checking, decisions
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.messages import Malformed, Refusal, SubmitDecision, checked
from account_reviews.domain.review.opening import opening_state
from account_reviews.domain.review.phases import Phase
from account_reviews.domain.review.policy_terms import terms_of
from account_reviews.domain.review.state import ReviewInput, ReviewState
from account_reviews.domain.review.terms import Terms
from account_reviews.domain.review.write_gate import evidence_of, why_not_written
from account_reviews.store.review_queries import RequestRow
from account_reviews.temporal import names
from bench import common
from bench.common import Bench, Result, Row
from bench.driving import Handle, start, worker_process
from bench.hostile import EVERYBODY, KEYS, KEYS_TEXT, STARTER, WITHOUT_CARA, Move, Script
from bench.recovery import _accounts
from tests.support.requests import task
from tests.support.review_states import analysis_result

PURE_REQUESTS: Final = 1000
TENANT: Final = "default"


@dataclass
class Tally:
    """What became of the decisions."""

    hostile: int = 0
    valid: int = 0
    accepted: list[str] = field(default_factory=list)
    """Kinds of hostile decisions that counted."""
    refused: list[str] = field(default_factory=list)
    """Why valid ones did not."""
    codes: Counter[str] = field(default_factory=Counter)

    def count(self, move: Move, code: str | None, *, changed: bool) -> None:
        """One decision: the code it was refused with, None when it was taken."""
        if move.counts:
            self.valid += 1
            if not changed:
                self.refused.append(f"{move.kind}: {code}")
            return
        self.hostile += 1
        if changed:
            self.accepted.append(move.kind)
        self.codes[f"{move.kind}: {code or 'no answer'}"] += 1


# the rules alone


class Book:
    """One review without a server, and the guard that a worker asks."""

    def __init__(self, number: int, guards: tuple[Guard, Guard], terms: Terms) -> None:
        self.now = datetime.now(UTC)
        self._guards = guards
        self.state = _waiting(number, terms, self.now)
        run_id = self.state.run_id
        self.script = Script(TENANT, run_id, lambda: self.state.requests[0], self.now)

    def play(self, tally: Tally) -> None:
        script = self.script
        for part in (script.hostile_first, script.first_valid, script.hostile_second):
            for move in part():
                self._say(move, tally)
        race = script.race()
        self._say(race, tally)
        assert race.rival is not None
        self._say(Move(race.kind, race.rival), tally)
        self._say(script.last(), tally)

    def _say(self, move: Move, tally: Tally) -> None:
        said = checked(SubmitDecision, move.said)
        if isinstance(said, Malformed):
            raise TypeError(said.why)
        before = _content(self.state.requests[0])
        wanted = checking.wanted(self.state, said, "decide", self.now)
        answer = self._guards[int(move.without_cara)].check(wanted) if wanted is not None else None
        result = decisions.decide(self.state, said, self.now, answer)
        code = result.code.value if isinstance(result, Refusal) else None
        changed = _content(self.state.requests[0]) != before
        tally.count(move, code, changed=changed)


def _content(request: ApprovalRequest) -> ApprovalRequest:
    return request.model_copy(update={"refusals": 0})


def _waiting(number: int, terms: Terms, now: Timestamp) -> ReviewState:
    state = opening_state(
        ReviewInput(account_id=f"acc-{number}", started_by=STARTER, logic=3),
        review_id=f"review/acc-{number}",
        run_id=f"run-{number}",
        workflow_run_id=f"run-{number}",
        now=now,
    )
    changes = (task(f"Call number {number}"),)
    found = analysis_result("hash", changes)
    state.analysis = found.model_copy(update={"terms": terms})
    state.move(Phase.INVESTIGATING, now)
    state.move(Phase.PLANNING, now)
    decisions.propose(state, changes, str(uuid4()), now)
    state.move(Phase.APPROVAL, now)
    return state


def _guard(policy: Path) -> Guard:
    return Guard(PolicyFile(policy, lambda: load_policy(policy)), KEYS)


def pure(requests: int, result: Result) -> None:
    """All of it in this process."""
    tally = Tally()
    with TemporaryDirectory() as directory:
        everybody, without = Path(directory, "all.toml"), Path(directory, "without.toml")
        everybody.write_text(EVERYBODY)
        without.write_text(WITHOUT_CARA)
        terms = terms_of(load_policy(everybody))
        guards = _guard(everybody), _guard(without)
        for number in range(requests):
            book = Book(number, guards, terms)
            book.play(tally)
            request = book.state.requests[0]
            proof = evidence_of(request, request.items[0].item_id)
            if why := why_not_written(proof, request.items[0].change):
                result.broken.append(f"the gate would not write what was approved: {why}")
    _report(tally, result, "by the rules alone")


# over the wire


@dataclass
class Live:
    """One review on a real server."""

    bench: Bench
    handle: Handle
    row: RequestRow
    script: Script
    request: ApprovalRequest

    @classmethod
    async def of(cls, bench: Bench, handle: Handle, row: RequestRow) -> "Live":
        live = cls(bench, handle, row, Script(TENANT, row.run_id, lambda: row.request,
                                             datetime.now(UTC)), row.request)  # fmt: skip
        live.script.look = lambda: live.request
        return live

    async def seen(self) -> ApprovalRequest:
        """As the review has it now."""
        state: ReviewState = await self.handle.query("snapshot", result_type=ReviewState)
        self.request = state.requests[0]
        return _content(self.request).model_copy(update={"notifications": ()})

    async def say(self, move: Move, tally: Tally, *, by_signal: bool) -> None:
        before = await self.seen()
        code = await self._send(move.said, by_signal=by_signal)
        changed = await self.seen() != before
        tally.count(move, code, changed=changed)

    async def race(self, tally: Tally) -> None:
        """Exactly one of the two must count, whichever it is."""
        move = self.script.race()
        assert move.rival is not None
        before = len(self.request.decisions)
        await asyncio.gather(
            self._send(move.said, by_signal=False), self._send(move.rival, by_signal=True)
        )
        await self.seen()
        more = len(self.request.decisions) - before
        tally.count(move, "neither counted", changed=more >= 1)
        tally.count(Move(move.kind, move.rival), "refused", changed=more != 1)

    async def _send(self, body: dict[str, Any], *, by_signal: bool) -> str | None:
        """The code of the refusal; None when it was taken, or nobody says."""
        try:
            if by_signal:
                await self.handle.signal(names.DECIDE_SIGNAL, body)
                return None
            await self.handle.execute_update(names.DECIDE_UPDATE, body, id=body["decision_id"])
        except WorkflowUpdateFailedError as error:
            return error.cause.type if isinstance(error.cause, ApplicationError) else "failed"
        except RPCError as error:
            return f"review closed ({error.status.name})"
        return None


async def live(reviews: int, result: Result) -> None:
    """The same on real reviews, by signal and by update in turn."""
    tally = Tally()
    with TemporaryDirectory() as directory:
        policy = Path(directory, "policy.toml")
        _write(policy, EVERYBODY)
        os.environ |= {"REVIEWS_POLICY_FILE": str(policy), "REVIEWS_APPROVAL_KEYS": KEYS_TEXT}
        async with common.fresh_stack() as bench:
            accounts = await _accounts(bench, reviews)
            execution = await bench.parts.execution()
            async with worker_process(bench):
                handles = [await start(bench, one, execution) for one in accounts]
                lives = await _open(bench, handles)
                await _play(lives, tally, policy)
                for one in lives:
                    await _check_end(one, result)
    _report(tally, result, f"as real signals and updates, {reviews} reviews")


async def _open(bench: Bench, handles: list[Handle]) -> list[Live]:
    while True:
        page = await bench.parts.reader.list_requests(tenant=TENANT, limit=200)
        rows = {row.review_id: row for row in page.items}
        if len(rows) == len(handles):
            return [await Live.of(bench, one, rows[one.id]) for one in handles]
        await asyncio.sleep(0.1)


async def _play(lives: list[Live], tally: Tally, policy: Path) -> None:
    first = [(one, one.script.hostile_first()) for one in lives]
    await _each(first, tally, lambda move: not move.without_cara)
    _write(policy, WITHOUT_CARA)
    await _each(first, tally, lambda move: move.without_cara)
    _write(policy, EVERYBODY)
    await _each([(one, one.script.first_valid()) for one in lives], tally)
    await _each([(one, one.script.hostile_second()) for one in lives], tally)
    for group in _groups(lives):
        await asyncio.gather(*(one.race(tally) for one in group))
    await _each([(one, [one.script.last()]) for one in lives], tally)


def _write(policy: Path, text: str) -> None:
    """Whole or not at all: the worker reads it whenever a decision comes."""
    fresh = policy.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(policy)


async def _each(
    said: list[tuple[Live, list[Move]]], tally: Tally, wanted: Any = lambda _: True
) -> None:
    async def one_by_one(live: Live, moves: list[Move]) -> None:
        for number, move in enumerate(moves):
            if wanted(move):
                await live.say(move, tally, by_signal=number % 2 == 1)

    for group in _groups(said):
        await asyncio.gather(*(one_by_one(live, moves) for live, moves in group))


def _groups(every: list[Any]) -> list[list[Any]]:
    return [every[first : first + 10] for first in range(0, len(every), 10)]


async def _check_end(one: Live, result: Result) -> None:
    """What two persons agreed on is written once, and nothing else was ever taken."""
    ended = await one.handle.result()
    await one.seen()
    item, writes = one.request.items[0], ended.counters.crm_writes
    if ended.changes.get(item.item_id) is not ItemState.EXECUTED or writes != 1:
        result.broken.append(f"{one.handle.id}: {ended.outcome}, {writes} writes")
    if "(agreed)" not in str(item.change.after.get("subject")):
        result.broken.append(f"{one.handle.id}: other content was approved")
    first, *others = [decision.by for decision in one.request.decisions]
    if first != "Ann" or others not in (["Ben"], ["Cara"]):
        result.broken.append(f"{one.handle.id}: decided by {first}, {', '.join(others)}")


def _report(tally: Tally, result: Result, how: str) -> None:
    hostile = f"{len(tally.accepted)} of {tally.hostile:,}"
    valid = f"{len(tally.refused)} of {tally.valid:,}"
    result.rows += [
        Row(f"hostile or racing decisions {how}: wrongly accepted", hostile, "0",
            not tally.accepted),
        Row(f"valid decisions {how}: refused", valid, "0", not tally.refused),
    ]  # fmt: skip
    result.samples[how] = dict(sorted(tally.codes.items()))
    for kind, count in Counter(tally.accepted).items():
        result.broken.append(f"{how}: {count} times accepted: {kind}")
    for why, count in Counter(tally.refused).items():
        result.broken.append(f"{how}: {count} valid ones refused: {why}")


async def measure(arguments: argparse.Namespace) -> Result:
    result = Result("approvals")
    pure(arguments.requests, result)
    for row in result.rows:
        print(f"{row.what}: {row.measured}", flush=True)
    if arguments.reviews:
        await live(arguments.reviews, result)
    return result


if __name__ == "__main__":
    flags = common.parser(__doc__.splitlines()[0], limit=900)
    flags.add_argument("--requests", type=int, default=PURE_REQUESTS, help="by the rules alone")
    flags.add_argument("--reviews", type=int, default=100, help="over the wire")
    common.main(measure, flags.parse_args())
