"""The demo, step by step. Each step does its work, then says in one paragraph what happened."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from temporalio.client import Client, WorkflowExecutionStatus

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.demo import evidence, pages, people
from account_reviews.demo.evidence import CrmImage, Run, Standing, Witness
from account_reviews.demo.narration import Narrator, Show, meter, narrate
from account_reviews.demo.people import Answer, Plan
from account_reviews.demo.proof import Facts, Proof, prove
from account_reviews.demo.workspace import AS_OF
from account_reviews.demo.worlds import MOMENT, World
from account_reviews.domain.errors import NegativeAnswerError
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.records import Account, RecordType
from account_reviews.domain.review.decisions import approved_items
from account_reviews.domain.review.messages import DecisionAnswer, SubmitDecision
from account_reviews.domain.review.phases import Status
from account_reviews.domain.review.state import ReviewInput
from account_reviews.local.stack import LocalStack
from account_reviews.services.accounts import find_accounts
from account_reviews.services.decisions import UnansweredError, decide
from account_reviews.store.review_queries import RequestRow
from account_reviews.temporal.names import operation_id
from starter import start_review

_PATIENCE: Final = 180.0
"""Seconds that any wait of the demo may take."""
_LOOK_EVERY: Final = 0.03
_AT_ONCE: Final = 16
_PEOPLE_AT_ONCE: Final = 8
_TRIES: Final = 6
"""Of a decision that no worker answers: one is killed meanwhile."""
_REQUESTS: Final = 1000


@dataclass
class Scene:
    """What the steps share."""

    stack: LocalStack
    world: World
    parts: Parts
    client: Client
    before: CrmImage = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    plans: tuple[Plan, ...] = ()
    given: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Ending:
    """How the demo ended: its proof, and a request that nobody answered."""

    proof: Proof
    left: RequestRow


async def play(stack: LocalStack, world: World) -> Ending:
    """All steps. NegativeAnswerError when one does not come to its end."""
    narrator = Narrator()
    with narrator.step("Start everything"):
        await _start(stack, world)
    async with open_parts(Settings.load(), application="reviews-demo") as parts:
        scene = Scene(stack, world, parts, await parts.connect())
        with narrator.step("Import the sample portfolio"):
            await _import(scene)
        with narrator.step("Review every account, and kill the worker on the way"):
            accounts = await find_accounts(parts, every=True)
            await _review_and_kill(scene, accounts)
        with narrator.step("Start a new worker"):
            await _recover(scene)
        with narrator.step("Let people decide, and kill the worker again"):
            await _decide(scene)
        with narrator.step("Read a brief"):
            await pages.show_brief(parts, scene.client, scene.plans)
        with narrator.step("Look at the whole portfolio"):
            await pages.show_portfolio(parts, scene.runs)
        with narrator.step("Prove it"):
            proof = await _prove(scene)
    narrator.summary()
    return Ending(proof, next(plan.row for plan in scene.plans if plan.answer is Answer.LEAVE))


async def _start(stack: LocalStack, world: World) -> None:
    os.environ.update(world.environment)
    await stack.start()
    os.environ.update(stack.environment())
    pids = ", ".join(str(pid) for pid in stack.worker_pids)
    narrate(
        f"PostgreSQL, Temporal and one worker (process {pids}) run on this machine now, with all"
        f" they keep in {stack.data_dir}. The worker is the process that runs the code of the"
        " reviews. It keeps nothing: each step of each review is recorded by Temporal. To watch,"
        f" open the Temporal UI at {stack.ui}."
    )


async def _import(scene: Scene) -> None:
    rows = await scene.world.fill(scene.parts)
    scene.before = await scene.world.image(scene.parts)
    accounts = _count(scene.before, RecordType.ACCOUNT)
    narrate(
        f"{rows} rows of CSV files stand in the CRM: {accounts} invented accounts with their"
        " owners, contacts, deals, activities, notes and tasks, as of"
        f" {AS_OF}. {scene.world.about} Its {len(scene.before)} records were copied, to be"
        " compared at the end."
    )


def _count(image: CrmImage, wanted: RecordType) -> int:
    return sum(kind is wanted for kind, _ in image)


async def _review_and_kill(scene: Scene, accounts: list[Account]) -> None:
    total = len(accounts)
    async with _beside(_start_reviews(scene, accounts)):
        with meter("reviewed", total) as show:
            await _until(lambda: _done(scene, show), lambda done: done >= total // 3)
        pid = await scene.stack.kill_worker()
    standing = await evidence.look_without_worker(scene.client, scene.runs)
    _describe_the_kill(standing, total, pid)
    if not standing.begun + standing.untouched:
        raise NegativeAnswerError("the worker was killed too late: every review had come to rest")


async def _start_reviews(scene: Scene, accounts: list[Account]) -> None:
    """Start a review of each account, as `reviews start --all` does."""
    parts = scene.parts
    template = ReviewInput(
        account_id="",
        tenant=parts.settings.tenant,
        started_by="demo",
        as_of=MOMENT,
        execution=await parts.execution(),
    )
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(account: Account) -> None:
        start = template.model_copy(update={"account_id": account.id})
        async with gate:
            _, state = await start_review(scene.client, start, account)
            scene.runs.append((state.review_id, state.run_id))
            await parts.store.open_run(state)

    await asyncio.gather(*(one(account) for account in accounts))


def _describe_the_kill(standing: Standing, total: int, pid: int) -> None:
    narrate(
        f"{total} reviews were started at once. When about a third of them had come as far as they"
        f" can without a person, the worker (process {pid}) was killed with SIGKILL, which leaves"
        " no time to save anything. At that moment Temporal held"
        f" {standing.ended} reviews that had ended, {standing.waiting} that waited for a person,"
        f" {standing.begun} in the middle of their work, and {standing.untouched} that nobody"
        " had looked at yet."
    )


async def _recover(scene: Scene) -> None:
    total = len(scene.runs)
    pid = await scene.stack.start_worker()
    with meter("reviewed", total) as show:
        await _until(lambda: _done(scene, show), lambda done: done >= total)
    waiting = await scene.parts.reader.list_requests(
        tenant=scene.parts.settings.tenant, limit=_REQUESTS
    )
    items = sum(len(row.request.items) for row in waiting.items)
    narrate(
        f"A new worker (process {pid}) took over. Temporal gave it the reviews that were cut off,"
        " each with the record of what it had done, and each went on from there. Of"
        f" {total} reviews {len(waiting.items)} now wait for a person, with {items} proposed"
        " changes between them. The others found nothing to do and are closed."
    )


async def _done(scene: Scene, show: Show) -> int:
    """How many reviews have ended or wait, as our tables have it: they are cheap to ask often."""
    found = await scene.parts.reader.progress_of([run_id for _, run_id in scene.runs])
    done = len([row for row in found.values() if row["outcome"] or row["status"] == "waiting"])
    show(done)
    return done


@asynccontextmanager
async def _beside(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do all `works` beside the block. An error of one ends all; afterwards all are over."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
            yield
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _until(look: Callable[[], Awaitable[int]], enough: Callable[[int], bool]) -> None:
    """Look until it is enough; NegativeAnswerError when that takes too long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _PATIENCE
    while not enough(done := await look()):
        if loop.time() > deadline:
            raise NegativeAnswerError(f"after {_PATIENCE:.0f} s only {done} reviews were done")
        await asyncio.sleep(_LOOK_EVERY)


async def _decide(scene: Scene) -> None:
    """Answer requests through the code behind `reviews approvals`."""
    page = await scene.parts.reader.list_requests(
        tenant=scene.parts.settings.tenant, limit=_REQUESTS
    )
    owners = [row for (kind, _), row in scene.before.items() if kind is RecordType.OWNER]
    active = {row["id"] for row in owners if row["active"]}
    manager = next(row["id"] for row in owners if row["active"] and row["manager_id"] is None)
    scene.plans = people.plan_answers(page.items, active, manager)
    answered = [plan for plan in scene.plans if plan.decisions]
    at_work = await _answer_and_kill(scene, answered)
    await _settle(scene, answered)
    _describe_decisions(scene, len(answered), at_work)


async def _answer_and_kill(scene: Scene, plans: Sequence[Plan]) -> int:
    """Send all decisions, replace the worker half way; gives how many reviews were at work then."""
    done: list[Plan] = []
    gate = asyncio.Semaphore(_PEOPLE_AT_ONCE)

    async def one(plan: Plan) -> None:
        async with gate:
            for decision in plan.decisions:
                answer = await _send(scene.client, plan, decision)
                scene.given |= _approved(plan.row.run_id, answer)
        done.append(plan)

    async def look() -> int:
        show(len(done))
        return len(done)

    with meter("answered", len(plans)) as show:
        async with _beside(*(one(plan) for plan in plans)):
            await _until(look, lambda count: count >= len(plans) // 2)
            await scene.stack.kill_worker()
            at_work = await evidence.count_at_work(scene.client, [plan.run for plan in plans])
            await scene.stack.start_worker()
            await _until(look, lambda count: count >= len(plans))
    return at_work


async def _send(client: Client, plan: Plan, decision: SubmitDecision) -> DecisionAnswer:
    """Send one decision; without an answer again under the same id, which is safe."""
    named = decision.model_copy(update={"decision_id": uuid4().hex})
    for _ in range(_TRIES - 1):
        with suppress(UnansweredError):
            return await decide(client, plan.row, named)
    return await decide(client, plan.row, named)


def _approved(run_id: str, answer: DecisionAnswer) -> set[str]:
    yes = (ItemState.APPROVED, ItemState.ADJUSTED)
    return {
        operation_id(run_id, item.item_id)
        for item in answer.items
        if item.applied and item.state in yes
    }


async def _settle(scene: Scene, answered: Sequence[Plan]) -> None:
    """Wait until all that was approved is written, and each review has closed or waits again."""
    left = {plan.run for plan in answered}

    async def look() -> int:
        asked = await evidence.ask_reviews(scene.client, left)
        left.difference_update((one.review_id, one.run_id) for one in asked if _rests(one))
        return len(answered) - len(left)

    await _until(look, lambda _: not left)


def _rests(review: Witness) -> bool:
    if review.status is not WorkflowExecutionStatus.RUNNING:
        return True
    state = review.state
    return state is not None and state.status is Status.WAITING and not approved_items(state)


def _describe_decisions(scene: Scene, answered: int, at_work: int) -> None:
    counted = ", ".join(
        f"{count} {answer}"
        for answer in Answer
        if (count := sum(plan.answer is answer for plan in scene.plans))
    )
    deciders = {one.approver for plan in scene.plans for one in plan.decisions}
    narrate(
        f"{len(deciders)} people answered {answered} of {len(scene.plans)} requests: {counted}."
        f" They approved {len(scene.given)} changes, and each was written to the CRM as soon as it"
        " was approved. When half of the answers were given, the worker was killed once more, with"
        f" {at_work} reviews at work; a new one finished what they had begun. What was rejected or"
        " deferred is kept with its reason. What was left open waits for three days and then"
        " expires, which writes nothing."
    )


async def _prove(scene: Scene) -> Proof:
    reviews = await evidence.ask_reviews(scene.client, scene.runs)
    proof = prove(
        Facts(
            started=frozenset(scene.runs),
            listed=await evidence.list_reviews(scene.client, len(scene.runs)),
            reviews=reviews,
            given=frozenset(scene.given),
            ledger=await evidence.ledger(scene.parts.engine),
            before=scene.before,
            after=await scene.world.image(scene.parts),
            shown=await evidence.read_back(scene.parts.crm, reviews),
            seen=scene.world.seen(),
        )
    )
    pages.show_proof(proof)
    return proof
