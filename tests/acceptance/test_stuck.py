"""A CRM that is away for long, workers that die, and an operator with `temporal` in his hand."""

import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from account_reviews.local.temporal_server import DYNAMIC_CONFIG, TUNED_SERVER, find_cli
from tests.support.commands import IMPORT, Reviews, _numbers, rows
from tests.support.forks import Forks
from tests.support.waiting import PATIENCE

NOWHERE = "postgresql://127.0.0.1:1/none"
STEP = {"step", "activity", "activity_id", "attempt", "error", "since", "next_retry_at"}
ITEM = {*STEP, "review_id", "run_id", "account_id"}


@pytest.fixture(scope="module")
async def stack(short_dir: Path) -> AsyncIterator[LocalStack]:
    """A stack whose workers the tests start, on a server that can pause workflows."""
    settings = TUNED_SERVER._replace(
        dynamic_config={**DYNAMIC_CONFIG, "frontend.WorkflowPauseEnabled": "true"}
    )
    async with LocalStack(
        short_dir / f"stuck{next(_numbers)}",
        ui=False,
        restart=False,
        temporal_port=ports.any_free(),
        temporal_settings=settings,
    ) as stack:
        await stack.kill_worker()
        yield stack


async def at_once(engine: AsyncEngine, statement: str) -> None:
    """Outside of a transaction."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.execute(text(statement))


class Crm:
    """The CRM in a database of its own, which can be closed."""

    def __init__(self, engine: AsyncEngine, url: str) -> None:
        self._engine = engine
        self.env = {"REVIEWS_CRM_URL": url}

    async def close(self) -> None:
        await self._execute("alter database crm_apart with allow_connections false")
        gone = "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'crm_apart'"
        await self._execute(gone)

    async def open(self) -> None:
        await self._execute("alter database crm_apart with allow_connections true")

    async def _execute(self, statement: str) -> None:
        await at_once(self._engine, statement)


@pytest.fixture(scope="module")
async def crm(stack: LocalStack, stack_engine: AsyncEngine, forks: Forks) -> AsyncIterator[Crm]:
    """That CRM with the sample portfolio."""
    await at_once(stack_engine, "create database crm_apart")
    place, _, query = stack.database_url.partition("?")
    url = f"{place.rpartition('/')[0]}/crm_apart" + (f"?{query}" if query else "")
    crm, reviews = Crm(stack_engine, url), Reviews(stack.data_dir, forks)
    assert reviews("db", "upgrade", REVIEWS_DATABASE_URL=url).code == 0
    assert reviews(*IMPORT, **crm.env).code == 0
    yield crm
    await crm.open()


@pytest.fixture(scope="module")
def reviews(stack: LocalStack, forks: Forks, crm: Crm) -> Reviews:
    """`reviews` with that CRM."""
    reviews = Reviews(stack.data_dir, forks)
    reviews.env |= crm.env
    return reviews


@contextmanager
def at_work(reviews: Reviews) -> Iterator[subprocess.Popen[str]]:
    """A worker process; killed at the end, if it was not before."""
    process = reviews.worker()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def temporal(stack: LocalStack, *words: str) -> None:
    """The real tool of Temporal."""
    done = subprocess.run(
        [find_cli(), *words, "--address", stack.address, "--namespace", stack.namespace],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def stuck_in(reviews: Reviews, account: str, *, attempt: int, **more: str) -> dict[str, Any]:
    """The one item of `stuck` of that account, once it has come so far."""

    def of_account(page: Any) -> list[dict[str, Any]]:
        return [one for one in page["items"] if one["account_id"] == account]

    def holds(page: Any) -> bool:
        return any(one["attempt"] >= attempt for one in of_account(page))

    reviews.until("stuck", holds=holds)
    (item,) = of_account(reviews.json("stuck", **more))
    return item


async def test_a_crm_that_is_away_is_named_and_retried_when_it_is_back(
    reviews: Reviews, crm: Crm, stack_engine: AsyncEngine
) -> None:
    with at_work(reviews) as worker:
        request = reviews.request("ac-034")
        await crm.close()
        reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
        item = stuck_in(reviews, "ac-034", attempt=6)
        assert set(item) == ITEM
        assert (item["step"], item["activity"]) == ("write", "crm.apply_change")
        assert item["review_id"] == "review/ac-034"
        assert item["error"]
        shown = reviews.json("show", "ac-034")
        assert shown["needs_attention"]
        assert set(shown["failing"][0]) == STEP
        assert shown["failing"][0]["step"] == "write"
        table = reviews.quick("show", "ac-034").out
        assert "stuck in writing to the CRM, attempt" in table
        assert "writing to the CRM" in reviews.quick("stuck").out
        away = stuck_in(reviews, "ac-034", attempt=6, REVIEWS_DATABASE_URL=NOWHERE)
        assert away["activity_id"] == item["activity_id"], "our database is not needed for it"
        listed = reviews.json("list", "--needs-attention", "--open")["items"]
        assert "ac-034" in [one["account_id"] for one in listed]
        worker.kill()
        worker.communicate()
    with at_work(reviews):
        again = stuck_in(reviews, "ac-034", attempt=item["attempt"])
        assert again["since"] == item["since"]
        await crm.open()
        done = reviews.json("retry", "ac-034", "--as", "olga", "--reason", "it is back")
        assert [one["step"] for one in done["retried"]] == ["write"]
        review = reviews.closed("ac-034")
        assert review["outcome"] == "completed"
        assert review["failing"] == []
        assert review["counters"]["failed_attempts"] == 0, "those before a reset are not known"
        steps = review["counters"]["steps"]
        assert {"gather", "recall", "analyse", "write", "read_back"} <= set(steps)
        assert steps["write"]["calls"] == len(request["items"])
        kinds = [line["kind"] for line in reviews.json("history", "ac-034")["items"]]
        assert kinds.count("step_failing") == 1
        assert reviews.quick("retry", "ac-034").sentence(4).startswith("the review of ")
        asked = await recorded_retry(stack_engine)
        assert asked["actor"] == "olga"
        assert reviews.json("stuck")["items"] == []


async def recorded_retry(engine: AsyncEngine) -> dict[str, Any]:
    query = "select actor from audit.audit_events where action = 'retry crm.apply_change'"
    (row,) = await rows(engine, query)
    return row


def told(process: subprocess.Popen[str]) -> str:
    """What a waiting caller was told at its end."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (1, ""), err
    return err.strip().splitlines()[-1]


def waiting_for(reviews: Reviews, account: str) -> subprocess.Popen[str]:
    """A caller that waits for the end of a review, which waits for a person."""
    process = reviews.begin("start", account, "--wait", "closed")
    reviews.until(
        *("list", "--account", account, "--limit", "1"),
        holds=lambda page: page["items"] and page["items"][0]["status"] == "waiting",
    )
    return process


def test_a_terminated_review_is_told_to_whoever_waits(reviews: Reviews, stack: LocalStack) -> None:
    with at_work(reviews):
        process = waiting_for(reviews, "ac-036")
        temporal(stack, "workflow", "terminate", "-w", "review/ac-036", "--reason", "test")
        assert "(ac-036) was terminated in Temporal" in told(process)
        shown = reviews.json("show", "ac-036")
        assert (shown["outcome"], shown["temporal_status"]) == ("abandoned", "terminated")
        closed = reviews.closed("ac-036")
        assert closed["temporal_status"] == "terminated"
        assert reviews.json("approvals", "list", "--account", "ac-036")["items"] == []
        assert "terminated in Temporal" in reviews.quick("show", "ac-036").out


def test_a_reset_review_is_a_recovery(reviews: Reviews, stack: LocalStack) -> None:
    with at_work(reviews):
        process = waiting_for(reviews, "ac-037")
        words = ("workflow", "reset", "-w", "review/ac-037", "--type", "FirstWorkflowTask")
        temporal(stack, *words, "--reason", "test")
        assert "(ac-037) was reset in Temporal" in told(process)
        page = reviews.until(
            *("list", "--kind", "recovery"), holds=lambda page: bool(page["items"])
        )
        assert [one["account_id"] for one in page["items"]] == ["ac-037"]
        shown = reviews.json("show", "ac-037")
        assert (shown["kind"], shown["started_as"]) == ("recovery", "on_demand")
        reviews.json("cancel", "ac-037", "--as", "olga")
        assert reviews.closed("ac-037")["outcome"] == "cancelled"


def test_a_paused_review_is_listed_as_paused(reviews: Reviews, stack: LocalStack) -> None:
    with at_work(reviews):
        process = waiting_for(reviews, "ac-061")
        temporal(stack, "workflow", "pause", "-w", "review/ac-061", "--reason", "test")
        assert "(ac-061) is paused in Temporal" in told(process)
        shown = reviews.json("show", "ac-061")
        assert (shown["status"], shown["temporal_status"]) == ("paused", "paused")
        page = reviews.until(
            *("list", "--status", "paused"), holds=lambda page: bool(page["items"])
        )
        assert [one["account_id"] for one in page["items"]] == ["ac-061"]
        item = stuck_in(reviews, "ac-061", attempt=0)
        assert item["step"] == "workflow"
        refused = reviews.quick("retry", "ac-061", "-o", "json").error(4)
        assert refused["hint"] == "unpause it: temporal workflow unpause -w review/ac-061"
        temporal(stack, "workflow", "unpause", "-w", "review/ac-061", "--reason", "test")
        reviews.json("cancel", "ac-061", "--as", "olga")
        assert reviews.closed("ac-061")["outcome"] == "cancelled"
        assert json.loads(reviews.quick("stuck", "-o", "json").out)["items"] == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("retry", "nobody"), 3),
        (("retry", "ac-001", "--as", " "), 2),
        (("retry",), 2),
        (("stuck", "--limit", "0"), 2),
        (("stuck", "--limit", "many"), 2),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(reviews: Reviews, words: tuple[str, ...], code: int) -> None:
    assert reviews.quick(*words).sentence(code)


def test_without_temporal_nothing_is_claimed(reviews: Reviews) -> None:
    nowhere = f"{ports.LOOPBACK}:{ports.any_free()}"
    for words in (("stuck",), ("retry", "ac-034")):
        assert reviews.quick(*words, TEMPORAL_ADDRESS=nowhere).sentence(5)
