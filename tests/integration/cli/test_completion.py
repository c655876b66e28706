"""The shell completes accounts, owners and requests, and hears nothing when nobody answers."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.cli import completion
from account_reviews.domain.review.decisions import propose
from account_reviews.domain.review.phases import Phase, Status
from account_reviews.store.begun_words import Kind, begun
from account_reviews.store.reviews import ReviewStore
from account_reviews.store.statements import Statements
from tests.support.crm_loading import load, sample
from tests.support.paths import ROOT
from tests.support.review_states import NOW, analysis_result, fresh, task_change
from tests.support.waiting import PATIENCE


@pytest.fixture
async def known(engine: AsyncEngine) -> None:
    """An account of the CRM, and one whose review waits for an answer."""
    await load(engine, [sample("new-1")])
    waiting = fresh("old-1")
    store = ReviewStore(engine)
    await store.open_run(waiting)
    waiting.move(Phase.INVESTIGATING, NOW)
    waiting.analysis = analysis_result("a" * 64, (task_change(waiting.account_id),))
    waiting.move(Phase.PLANNING, NOW)
    propose(waiting, waiting.analysis.changes, "0f8fad5b-d9cb-469f-a165-70867728950e", NOW)
    waiting.move(Phase.APPROVAL, NOW, status=Status.WAITING)
    await store.save(waiting)


def offered(words: str, tmp_path: Path, **more: str) -> tuple[list[str], str]:
    """What bash is offered behind these words, and what was said besides."""
    done = subprocess.run(
        [sys.executable, "-m", "account_reviews.cli"],
        env={
            **os.environ,
            "REVIEWS_DATA_DIR": str(tmp_path),
            "COMP_WORDS": f"reviews {words}",
            "COMP_CWORD": str(len(words.split())),
            "_REVIEWS_COMPLETE": "complete_bash",
            **more,
        },
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("kind", "begins", "found"),
    [
        ("accounts", "new", {"new-1"}),
        ("accounts", "old", {"old-1"}),
        ("accounts", "zz", set()),
        ("accounts", "%", set()),
        ("requests", "old-1", {"old-1-1"}),
        ("requests", "0f8fad5b", {"0f8fad5b-d9cb-469f-a165-70867728950e"}),
    ],
)
async def test_what_begins_so_is_found(
    engine: AsyncEngine, database_url: str, kind: Kind, begins: str, found: set[str]
) -> None:

    statements = Statements(database_url, application_name="test")
    try:
        assert set(await begun(statements, kind, "default", begins)) == found
    finally:
        await statements.close()


@pytest.mark.usefixtures("known")
async def test_owners_have_their_names(database_url: str) -> None:

    statements = Statements(database_url, application_name="test")
    owner = sample("new-1").owner
    assert owner is not None
    try:
        named = await begun(statements, "owners", "default", owner.id[:2])
    finally:
        await statements.close()
    assert named[owner.id] == owner.name


@pytest.mark.parametrize("words", ["show a", "list --owner a", "approvals approve a"])
def test_a_database_that_is_away_is_not_mentioned(words: str, tmp_path: Path) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert offered(words, tmp_path, REVIEWS_DATABASE_URL=away) == ([], "")
    assert offered(words, tmp_path, REVIEWS_DATABASE_URL="") == ([], "")


def test_nobody_waits_for_a_database_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(completion, "_look", lambda *_: released.wait(60))
    try:
        assert completion.accounts("a") == []
    finally:
        released.set()
