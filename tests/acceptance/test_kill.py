"""Processes die at the worst moment, and no review and no decision is lost or done twice."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.local import processes
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.local.stack import LocalStack
from account_reviews.store.database import create_engine
from tests.support.commands import CLI, Reviews, rows
from tests.support.forks import Forks
from tests.support.portfolio_cluster import PortfolioCluster
from tests.support.stack_trail import trail_is_whole
from tests.support.waiting import PATIENCE, eventually, until

SAMPLE_TASKS, SAMPLE_NOTES = 22, 50
TIMES = 5
"""How often a command is run: a client torn down at the wrong moment ends with 134 or 139."""
_numbers = count(1)


class Dev:
    """`reviews dev` in a directory of its own, with the sample portfolio."""

    def __init__(self, data_dir: Path, forks: Forks) -> None:
        self.data_dir = data_dir
        self.reviews = Reviews(data_dir, forks)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        said = self.data_dir.parent / f"{self.data_dir.name}.log"
        with said.open("ab") as log:
            process = self._process = subprocess.Popen(
                [*CLI, "dev", "--no-ui"], env=self.reviews.env, stdout=log, stderr=log
            )

        def is_ready() -> bool:
            assert process.poll() is None, said.read_text()  # it waits for nothing then
            return self.stack().get("pid") == process.pid

        eventually(is_ready)

    def stack(self) -> dict[str, Any]:
        """What stack.json says; empty without one."""
        try:
            found: dict[str, Any] = json.loads((self.data_dir / "stack.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def kill_worker(self) -> None:
        """kill -9; `reviews dev` starts the next one."""
        (pid,) = self.stack()["worker_pids"]
        os.kill(pid, signal.SIGKILL)

    def kill_all(self) -> None:
        """kill -9 of everything at once."""
        assert self._process is not None
        postgres = EmbeddedPostgres(self.data_dir).pid
        assert postgres is not None
        temporal = int((self.data_dir / "temporal.pid").read_text())
        pids = [self._process.pid, *self.stack()["worker_pids"], temporal, postgres]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        eventually(lambda: not any(processes.is_alive(pid) for pid in pids))

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(timeout=PATIENCE)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[AsyncEngine]:
        engine = create_engine(self.stack()["database_url"], application_name="tests")
        yield engine
        await engine.dispose()

    def clean(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        EmbeddedPostgres(self.data_dir).stop()


@pytest.fixture
def dev(short_dir: Path, portfolio_cluster: PortfolioCluster, forks: Forks) -> Iterator[Dev]:
    """A running `reviews dev`."""
    dev = Dev(portfolio_cluster.copied_to(short_dir / f"kill{next(_numbers)}"), forks)
    try:
        dev.start()
        yield dev
    finally:
        dev.clean()


def approve(reviews: Reviews, request_id: str) -> None:
    """Approve as the hint says: when nobody answers, the same decision again."""
    words = ("--as", "ann", "--decision-id", f"of-{request_id}", "-o", "json")
    for _ in range(6):
        answer = reviews.quick("approvals", "approve", request_id, *words)
        if answer.code != 5:
            break
    assert answer.document()["state"] == "approved"


async def test_the_worker_dies_in_the_middle_of_many_reviews(dev: Dev) -> None:
    reviews = dev.reviews
    starting = reviews.begin("start", "--all", "--wait", "-o", "json")
    reviews.until("list", "--status", "waiting", holds=lambda page: len(page["items"]) > 5)
    dev.kill_worker()
    out, err = await asyncio.to_thread(starting.communicate, timeout=PATIENCE)
    assert starting.returncode == 0, err
    items = json.loads(out)["items"]
    assert len(items) == 64
    assert {one["outcome"] or one["status"] for one in items} == {"waiting", "nothing_to_do"}

    requests = reviews.json("approvals", "list", "--limit", "100")["items"]
    assert len(requests) == sum(one["status"] == "waiting" for one in items)
    approved, left = requests[::2], requests[1::2]
    for number, request in enumerate(approved):
        if number == len(approved) // 3:
            dev.kill_worker()
        approve(reviews, request["request_id"])
    reviews.until("list", "--open", holds=lambda page: len(page["items"]) == len(left))
    done = reviews.json("list", "--outcome", "completed")["items"]
    assert {one["run_id"] for one in done} == {one["run_id"] for one in approved}
    await each_was_written_once(dev, approved)
    async with dev.database() as engine:
        await trail_is_whole(reviews, dev.stack()["temporal_address"], engine)
    assert dev.stop() == 0


async def each_was_written_once(dev: Dev, requests: list[dict[str, Any]]) -> None:
    """The ledger of the CRM holds what was approved, and the tables hold what the ledger says."""
    approved = {
        (f"{request['run_id']}:{item['item_id']}", item["action"])
        for request in requests
        for item in request["items"]
    }
    async with dev.database() as engine:
        ledger = await rows(
            engine, "select operation_id, action, record->>'id' as id from reviews.crm_operations"
        )
        tasks = [one["id"] for one in await rows(engine, "select id from crm.tasks")]
        notes = [one["id"] for one in await rows(engine, "select id from crm.notes")]
    assert sorted((one["operation_id"], one["action"]) for one in ledger) == sorted(approved)
    for action, found, before in (
        ("create_task", tasks, SAMPLE_TASKS),
        ("add_note", notes, SAMPLE_NOTES),
    ):
        made = [one["id"] for one in ledger if one["action"] == action]
        assert made
        assert len(set(made)) == len(made)
        assert set(made) <= set(found)
        assert len(found) == before + len(made)


async def test_everything_dies_at_once(dev: Dev) -> None:
    reviews = dev.reviews
    request = reviews.request("ac-036")
    started = [f"ac-{number:03}" for number in range(1, 17)]
    reviews.json("start", *started)
    dev.kill_all()
    gone = reviews.quick("list").sentence(5)
    assert "no stack runs" in gone

    dev.start()
    assert str(dev.stack()["pid"]) in reviews("dev", "--no-ui").sentence(4)
    page = reviews.until("list", "--open", holds=lambda page: len(page["items"]) == 1)
    assert page["items"][0]["account_id"] == "ac-036"
    done = reviews.json("list", "--outcome", "nothing_to_do")["items"]
    assert sorted(one["account_id"] for one in done) == started
    approve(reviews, request["request_id"])
    review = reviews.closed("ac-036")
    assert review["outcome"] == "completed"
    assert {one["state"] for one in review["changes"]} == {"executed"}
    async with dev.database() as engine:
        ledger = await rows(engine, "select account_id from reviews.crm_operations")
    assert len(ledger) == len(request["items"])
    assert dev.stop() == 0


def test_a_cycle_goes_on_when_everything_dies(dev: Dev) -> None:
    reviews = dev.reviews
    started = reviews.json("cycles", "start", "--all", "--window", "4")
    show = ("cycles", "show", started["cycle_id"])

    def ended(seen: dict[str, Any]) -> int:
        return int(seen["done"] + seen["waiting"] + seen["failed"])

    reviews.until(*show, holds=lambda seen: ended(seen) >= 5)
    dev.kill_worker()
    reviews.until(*show, holds=lambda seen: ended(seen) >= 20)
    dev.kill_all()
    dev.start()
    seen = reviews.until(*show, holds=lambda seen: seen["closed_at"] is not None)
    assert (seen["status"], seen["failed"], ended(seen)) == ("completed", 0, 64)
    listed = reviews.json("list", "--kind", "on_demand", "--limit", "200")["items"]
    assert sorted(one["account_id"] for one in listed) == [f"ac-{n:03}" for n in range(1, 65)]
    assert dev.stop() == 0


@asynccontextmanager
async def held_account(
    engine: AsyncEngine, account: str
) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Nobody else can write to the account; gives a function that tells who waits for it."""
    waiting = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
    async with engine.begin() as connection:
        hold = text("select 1 from crm.accounts where id = :id for update")
        await connection.execute(hold, {"id": account})
        yield lambda: rows(engine, waiting)


async def test_sigterm_lets_a_running_write_finish(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    await stack.kill_worker()
    worker = reviews.worker()
    try:
        request = reviews.request("ac-018")
        async with held_account(stack_engine, "ac-018") as who_waits:
            reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
            await until(who_waits)
            worker.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.5)  # long enough for it to stop polling
            assert worker.poll() is None
        _, said = await asyncio.to_thread(worker.communicate, timeout=PATIENCE)
        assert worker.returncode == 0, said
        assert "Traceback" not in said
        assert await finished_writes(stack, request) == 1
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.communicate()
        await stack.start_worker()
    assert reviews.closed("ac-018")["outcome"] == "completed"
    ledger = "select 1 from reviews.crm_operations where account_id = 'ac-018'"
    assert len(await rows(stack_engine, ledger)) == 1


HANGS = {
    "plain": "def hook(event):\n    began()\n    never.wait()\n",
    "async": "async def hook(event):\n    began()\n    await asyncio.Event().wait()\n",
    "thread": "async def hook(event):\n    began()\n    await asyncio.to_thread(never.wait)\n",
}
HANGING = (
    "import asyncio, pathlib, threading\n"
    "never = threading.Event()\n"
    "def began():\n    pathlib.Path(__file__).with_suffix('.began').touch()\n"
)


async def test_sigterm_waits_for_no_hook(
    reviews: Reviews, stack: LocalStack, tmp_path: Path
) -> None:
    for how, hook in HANGS.items():
        (tmp_path / f"hangs_{how}.py").write_text(HANGING + hook)
    hooks = ",".join(f"hangs_{how}:hook" for how in HANGS)
    await stack.kill_worker()
    worker = reviews.worker(REVIEWS_HOOKS=hooks, PYTHONPATH=str(tmp_path))
    try:
        reviews.json("start", "ac-001", "--plan-only", "--wait", "closed")
        for how in HANGS:
            await asyncio.to_thread(eventually, (tmp_path / f"hangs_{how}.began").exists)
        worker.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(worker.communicate, timeout=PATIENCE)
        assert worker.returncode == 0, said
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.communicate()
        await stack.start_worker()


async def finished_writes(stack: LocalStack, request: dict[str, Any]) -> int:
    """Writes whose end the history holds: no worker runs that could do them now."""
    client = await Client.connect(stack.address)
    history = await client.get_workflow_handle(request["review_id"]).fetch_history()
    writes = {
        event.event_id
        for event in history.events
        if event.activity_task_scheduled_event_attributes.activity_type.name == "crm.apply_change"
    }
    ended = [
        event.activity_task_completed_event_attributes.scheduled_event_id
        for event in history.events
        if event.HasField("activity_task_completed_event_attributes")
    ]
    return sum(scheduled in writes for scheduled in ended)


def test_every_command_ends_with_its_own_exit_code(reviews: Reviews) -> None:
    request_id = reviews.request("ac-019")["request_id"]
    reject = ("approvals", "reject", request_id, "--as", "ann")
    commands = {
        ("list",): 0,
        ("show", "ac-019"): 0,
        ("approvals", "show", request_id): 0,
        ("show", "nope"): 3,
        reject: 2,
        ("list", "--limit", "0"): 2,
        ("--help",): 0,
    }
    for words, code in commands.items():
        codes = [reviews.quick(*words).code for _ in range(TIMES)]
        assert codes == [code] * TIMES, words
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda account: reviews("start", account), ["ac-019"] * TIMES)
        assert [answer.code for answer in answers] == [4] * TIMES
