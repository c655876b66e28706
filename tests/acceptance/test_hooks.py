"""docs/hooks.md as a reader works through it: workers of a stack call a hook of his own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.console import commands, in_background, shell
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

PAGE = ROOT / "docs" / "hooks.md"
START = "reviews dev --no-ui"


@pytest.mark.temporal
def test_the_commands_of_the_page_work(short_dir: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env = kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "REVIEWS_DATA_DIR": str(short_dir / "hooks"),
    }
    steps = commands(PAGE.read_text(encoding="utf-8"))
    start = next(number for number, step in enumerate(steps) if step.text == START)
    with shell(env) as terminal:
        for step in steps[:start]:
            terminal.run(step)
        terminal.do("env")
        given = dict(line.partition("=")[::2] for line in terminal.printed.splitlines())
        names = ("PYTHONPATH", "REVIEWS_HOOKS", "SESSION_LOG")
        exported = env | {name: given[name] for name in names}
        with in_background(START, exported, Path(env["REVIEWS_DATA_DIR"]) / "stack.json"):
            for step in steps[start + 1 :]:
                terminal.run(step)
    lines = [json.loads(line) for line in Path(given["SESSION_LOG"]).read_text().splitlines()]
    assert [line["hook"] for line in lines] == ["session_start", "session_end"]
    assert len({line["trace"] for line in lines}) == 1


def test_a_worker_says_why_it_does_not_start(short_dir: Path) -> None:
    env = os.environ | {"REVIEWS_DATA_DIR": str(short_dir / "bad-hook"), "REVIEWS_HOOKS": "no:hook"}
    command = [sys.executable, "-m", "account_reviews.cli", "worker"]
    done = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 2, "though there is no database either, and no Temporal"
    (line,) = done.stderr.splitlines()
    assert line.startswith("REVIEWS_HOOKS names 'no:hook', which cannot be imported: No module")
