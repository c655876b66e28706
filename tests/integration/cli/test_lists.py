"""Lists as people and as programs see them: columns, order, pages, YAML, again and again."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.review.phases import Outcome, Phase
from account_reviews.store.reviews import ReviewStore
from tests.support.paths import ROOT
from tests.support.review_states import NOW, fresh
from tests.support.waiting import PATIENCE

ACCOUNTS = ("ac-9", "ac-10", "ac-2", "ac-1")
CLI = (sys.executable, "-m", "account_reviews.cli")


@pytest.fixture(scope="module")
async def reviewed(engine: AsyncEngine) -> None:
    """Four reviews that are closed, the last one newest."""
    store = ReviewStore(engine)
    for number, account in enumerate(ACCOUNTS):
        state = fresh(account).model_copy(update={"started_at": NOW + timedelta(hours=number)})
        await store.open_run(state)
        state.move(Phase.INVESTIGATING, NOW)
        state.close(Outcome.CANCELLED, NOW, "no more")
        await store.save(state)


pytestmark = pytest.mark.usefixtures("reviewed")


@pytest.fixture
def environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "PAGER")}
    return {
        **kept,
        "REVIEWS_DATABASE_URL": database_url,
        "REVIEWS_DATA_DIR": str(tmp_path),
        "COLUMNS": "80",
        "TERM": "xterm",
    }


def run(environment: dict[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*CLI, *words], env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
        timeout=PATIENCE,
    )  # fmt: skip


def accounts(shown: str) -> list[str]:
    return re.findall(r"\bac-[0-9]+", shown)


def test_a_list_fits_80_columns(environment: dict[str, str]) -> None:
    done = run(environment, "list")
    assert (done.returncode, done.stderr) == (0, "Next: One of them: reviews show ac-1\n")
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["Account", "Status", "Risk"]
    assert all(len(line) <= 80 for line in lines)
    assert accounts(done.stdout) == ["ac-1", "ac-2", "ac-10", "ac-9"]


def test_columns_are_chosen_and_rows_sorted(environment: dict[str, str]) -> None:
    done = run(environment, "list", "--columns", "outcome,Account", "--sort", "account_id")
    assert done.stdout.splitlines()[0].split() == ["Outcome", "Account"]
    assert accounts(done.stdout) == ["ac-1", "ac-2", "ac-9", "ac-10"]
    turned = run(environment, "list", "--sort", "-account_id", "-o", "json")
    found = [one["account_id"] for one in json.loads(turned.stdout)["items"]]
    assert found == ["ac-10", "ac-9", "ac-2", "ac-1"]


@pytest.mark.parametrize("sort", [(), ("--sort", "-started_at")])
def test_people_turn_pages(environment: dict[str, str], sort: tuple[str, ...]) -> None:
    first = run(environment, "list", "--limit", "3", *sort)
    assert accounts(first.stdout) == ["ac-1", "ac-2", "ac-10"]
    assert first.stdout.splitlines()[-1] == "More rows: --page 2"
    second = run(environment, "list", "--limit", "3", "--page", "2", *sort)
    assert accounts(second.stdout) == ["ac-9"]
    assert "More rows" not in second.stdout
    third = run(environment, "list", "--limit", "3", "--page", "3", *sort)
    assert third.stdout == "there is no page 3\n"


def test_programs_go_on_with_the_cursor(environment: dict[str, str]) -> None:
    first = json.loads(run(environment, "list", "--limit", "3", "-o", "json").stdout)
    words = ("list", "--limit", "3", "--cursor", first["next_cursor"])
    second = json.loads(run(environment, *words, "-o", "json").stdout)
    assert [one["account_id"] for one in second["items"]] == ["ac-9"]
    refused = run(environment, *words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "--cursor is for programs: it goes with -o json (--page 2 shows the next rows)\n"
    )


def test_yaml_is_the_same_document(environment: dict[str, str]) -> None:
    told = run(environment, "list", "-o", "yaml")
    assert yaml.safe_load(told.stdout) == json.loads(run(environment, "list", "-o", "json").stdout)
    refused = run(environment, "show", "nobody", "-o", "yaml")
    assert refused.returncode == 3
    assert yaml.safe_load(refused.stderr)["error"]["code"] == "review_not_found"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--columns", "nope"), "--columns: there is no column 'nope'"),
        (("--sort", "nope"), "--sort: there is no column 'nope'"),
        (("--columns", "a,,b"), "--columns names a column that has no name"),
        (("--sort", "-"), "--sort names no column"),
        (("--page", "2", "-o", "json"), "--page is for tables"),
        (("--columns", "account_id", "-o", "json"), "--columns is for tables"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(
    environment: dict[str, str], words: tuple[str, ...], said: str
) -> None:
    done = run(environment, "list", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_watched_list_is_read_again(environment: dict[str, str]) -> None:
    watching = subprocess.Popen(
        [*CLI, "list", "--watch", "-o", "json"],
        env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    lines = [json.loads(watching.stdout.readline()) for _ in range(2)]
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=PATIENCE)
    assert (watching.returncode, said) == (130, "")
    assert [len(one["items"]) for one in lines] == [4, 4]


def on_terminal(environment: dict[str, str], *words: str) -> str:
    """What a terminal of 80 columns and 5 lines shows."""
    main, side = pty.openpty()
    program = subprocess.Popen(
        [*CLI, *words], env={**environment, "LINES": "5"}, cwd=ROOT, stdin=side, stdout=side,
        stderr=side,
    )  # fmt: skip
    os.close(side)
    shown, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([main], [], [], 0.2)[0]:
            try:
                part = os.read(main, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            shown += part
        elif program.poll() is not None:
            break
    os.close(main)
    assert program.wait(timeout=PATIENCE) == 0
    return shown.decode()


def test_a_terminal_has_colours_and_a_pager(environment: dict[str, str]) -> None:
    paged = on_terminal({**environment, "PAGER": "sed s/^/paged:/"}, "list")
    assert "paged:" in paged
    assert "\x1b[2mcancelled\x1b[0m" in paged
    at_once = on_terminal({**environment, "PAGER": "sed s/^/paged:/"}, "list", "--no-pager")
    assert "paged:" not in at_once
    plain = on_terminal({**environment, "NO_COLOR": "1", "PAGER": "cat"}, "list")
    assert "\x1b" not in plain
    assert "cancelled" in plain


def test_a_pager_that_is_not_there_is_done_without(environment: dict[str, str]) -> None:
    shown = on_terminal({**environment, "PAGER": "no-such-program"}, "list")
    assert accounts(shown.partition("Next:")[0]) == ["ac-1", "ac-2", "ac-10", "ac-9"]


def test_a_watched_list_that_is_longer_than_the_terminal_keeps_its_headings(
    environment: dict[str, str],
) -> None:
    main, side = pty.openpty()
    watching = subprocess.Popen(
        [*CLI, "list", "--watch"],
        env={**environment, "LINES": "5", "COLUMNS": "80"}, cwd=ROOT,
        stdin=side, stdout=side, stderr=side,
    )  # fmt: skip
    os.close(side)
    shown = b""
    while b"more" not in shown:
        shown += os.read(main, 4096)
    watching.send_signal(signal.SIGINT)
    watching.wait(timeout=PATIENCE)
    os.close(main)
    lines = shown.decode().splitlines()
    assert "Account" in lines[0]
    assert lines[-1].endswith("and 2 more") or "and 3 more" in shown.decode()
