"""What a command that only reads or starts may import: its time is imports, nearly all of it.

A library that is not listed costs everybody who types the command. `docs/design.md` says why
this goes without an engine, reading without Temporal and mostly without rich.
"""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Outcome, Phase, Status
from account_reviews.domain.review.state import ReviewState
from account_reviews.store.reviews import ReviewStore
from tests.support.connections import statements_on
from tests.support.crm_loading import load, sample
from tests.support.paths import ROOT
from tests.support.review_states import NOW, analysis_result, fresh, task_change
from tests.support.waiting import PATIENCE, until

PARSER = {"typer", "shellingham", "annotated_doc"}
"""Typer and what it needs to read a command line and to print a help text."""
DRIVER = {"asyncpg", "orjson"}
"""The database, and JSON."""
MODELS = {
    "pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection",
}  # fmt: skip
"""Stored reviews and requests, read back as what they were."""
SDK = {"temporalio", "google", "grpc", "nexusrpc"}
"""Temporal, and how it is spoken to."""
WORDS = {"babel", "pytz"}
"""Dates, money and numbers as the reader writes them."""
LIST = PARSER | DRIVER
WHOLE = LIST | MODELS
START = WHOLE | SDK

OPEN, CLOSED, REQUEST = "acc-open", "acc-closed", "req-1"
COMMANDS = {
    "--help": PARSER,
    "list": LIST,
    "list -o json": LIST,
    "crm events": LIST,
    "crm events -o json": LIST,
    "audit tail": LIST,
    "audit tail -o json": LIST,
    "approvals list": WHOLE,
    f"approvals show {REQUEST}": WHOLE | WORDS,
    f"approvals show {REQUEST} -o json": WHOLE,
    f"show {CLOSED}": WHOLE | WORDS,
    f"show {CLOSED} -o json": WHOLE,
    f"history {CLOSED}": WHOLE | WORDS,
    f"history {CLOSED} -o json": WHOLE,
    f"snapshot {CLOSED}": WHOLE,
    f"snapshot {CLOSED} -o json": WHOLE,
    f"resumable {CLOSED}": WHOLE,
    f"resumable {CLOSED} -o json": WHOLE,
    f"watch {CLOSED}": WHOLE | WORDS,
    "cycles list": WHOLE,
}
_IMPORTED = re.compile(r"^import time: *\d+ \| *\d+ \| *(\w+)", re.MULTILINE)
_OURS = {"account_reviews", "starter", "__main__", "org", "_wmi"}
"""The standard library tries `org` for Jython, and `_wmi` for Windows."""
_BEGINNING = ("__editable__", "_distutils", "_sysconfigdata", "_virtualenv", "sitecustomize")


@pytest.fixture(scope="module")
async def reviewed(engine: AsyncEngine) -> None:
    """A review that is closed, and one that waits for an answer."""
    store = ReviewStore(engine)
    closed = fresh(CLOSED)
    await store.open_run(closed)
    closed.move(Phase.INVESTIGATING, NOW)
    closed.move(Phase.PLANNING, NOW)
    closed.close(Outcome.NOTHING_TO_DO, NOW)
    await store.save(closed)
    waiting = fresh(OPEN)
    await store.open_run(waiting)
    _ask(waiting)
    await store.save(waiting)


def _ask(state: ReviewState) -> None:
    """Let it wait for a person."""
    state.move(Phase.INVESTIGATING, NOW)
    state.analysis = analysis_result("a" * 64, (task_change(state.account_id),))
    state.move(Phase.PLANNING, NOW)
    propose(state, state.analysis.changes, REQUEST, NOW)
    state.move(Phase.APPROVAL, NOW, status=Status.WAITING)


@pytest.mark.usefixtures("reviewed")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_reading_command_imports_no_more_than_it_needs(
    command: str, database_url: str, tmp_path: Path
) -> None:
    imported, said = run(command, database_url, tmp_path)
    assert "typer" in imported
    assert imported - COMMANDS[command] == set(), said


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(
    "command",
    [
        "start ac-1",
        "start ac-4 --interactive",
        "start ac-2 --wait",
        "start ac-3 --if-running join -o json",
    ],
)
async def test_a_start_needs_the_sdk_and_no_engine(
    engine: AsyncEngine, database_url: str, tmp_path: Path, command: str
) -> None:
    account_id = command.split()[1]
    await load(engine, [sample(account_id)])
    started = asyncio.to_thread(run, command, database_url, tmp_path)
    (imported, said), _ = await asyncio.gather(started, _come_to_rest(engine, account_id))
    assert "temporalio" in imported
    told = WORDS if "--wait" in command else set()
    assert imported - START == told, said


async def _come_to_rest(engine: AsyncEngine, account_id: str) -> None:
    """Let the review that is started seem to wait for an answer: no worker is there."""
    waits = "update reviews.review_runs set status = 'waiting' where account_id = :account_id"

    async def is_there() -> bool:
        return await statements_on(engine).execute(waits, account_id=account_id) == 1

    await until(is_there)


def run(command: str, database_url: str, data_dir: Path) -> tuple[set[str], str]:
    """Libraries that a command has imported, and what it said."""
    env = {**os.environ, "REVIEWS_DATABASE_URL": database_url, "REVIEWS_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "account_reviews.cli", *command.split()],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    no = 1 if command.startswith("resumable") else 0
    assert done.returncode in (0, no), done.stderr
    assert done.stdout.strip(), "it has found something"
    imported = set(_IMPORTED.findall(done.stderr)) - set(sys.stdlib_module_names) - _OURS
    # The interpreter's own beginning: the finder of an editable install and the like.
    return {name for name in imported if not name.startswith(_BEGINNING)}, done.stdout
