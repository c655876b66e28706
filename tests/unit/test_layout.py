"""What keeps the tree readable and the commands fast."""

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from account_reviews.temporal import names, search_attributes
from tests.support.paths import ROOT

CODE = ("workflows", "activities", "account_reviews", "tests", "bench", "examples")
HEAVY = ("temporalio", "sqlalchemy", "pydantic", "asyncpg", "alembic", "jinja2", "opentelemetry")
REPEATS = 5


def python_files(*folders: str) -> list[Path]:
    """The project's own Python files."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in (*found, ROOT / "worker.py", ROOT / "starter.py") if path.is_file()]


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_stay_short() -> None:
    limits = {ROOT / "worker.py": 80, ROOT / "starter.py": 80}
    for path in python_files(*CODE):
        limit = limits.get(path, 300 if path.parent.name == "workflows" else 500)
        assert lines_of(path) <= limit, f"{path.relative_to(ROOT)} has {lines_of(path)} lines"


@pytest.mark.parametrize("name", ["workflows", "activities", "worker", "starter"])
def test_one_distribution_owns_the_plain_names(name: str) -> None:
    assert set(packages_distributions()[name]) == {"account-reviews"}


def test_temporal_names_are_spelled_once() -> None:
    spelled = "|".join(map(re.escape, [names.TASK_QUEUE, *search_attributes.SEARCH_ATTRIBUTES]))
    literal = re.compile(rf"""["']({spelled})["']""")
    for path in python_files("workflows", "activities", "account_reviews"):
        if path not in {Path(names.__file__), Path(search_attributes.__file__)}:
            found = literal.search(path.read_text(encoding="utf-8"))
            assert found is None, f"{path.relative_to(ROOT)} spells {found and found[0]}"


def test_workflow_code_bans_what_differs_on_replay(tmp_path: Path) -> None:
    (tmp_path / "workflows").mkdir()
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    rules = (ROOT / "workflows" / "ruff.toml").read_bytes()
    (tmp_path / "workflows" / "ruff.toml").write_bytes(rules)
    banned = {
        "from datetime import UTC, datetime\nx = datetime.now(UTC)": "workflow.now()",
        "import uuid\nx = uuid.uuid4()": "workflow.uuid4()",
        "import random\nx = random.random()": "workflow.random()",
        "import os\nx = os.environ['A']": "the review's input",
        "import time\nx = time.time()": "workflow.now()",
        "import sqlalchemy": "call an activity",
        "import httpx": "call an activity",
        "import asyncpg": "call an activity",
    }
    for number, code in enumerate(banned):
        (tmp_path / "workflows" / f"case{number}.py").write_text(code + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--select", "TID251", "--output-format", "concise",
         "--no-cache", "."],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for number, replacement in enumerate(banned.values()):
        said = [line for line in done.stdout.splitlines() if f"case{number}.py" in line]
        assert any(replacement in line for line in said), done.stdout


def test_help_loads_nothing_heavy() -> None:
    code = """
import os, sys
from account_reviews.cli import output, app

def report(code):
    print("loaded:", *sorted({name.partition(".")[0] for name in sys.modules}))
    sys.stdout.flush()
    os._exit(code)

output.leave = app.leave = report
app.main(["--help"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert said[0].startswith("Usage: reviews")
    loaded = set(said[-1].removeprefix("loaded:").split())
    assert "typer" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--help",), 0),
        (("approvals", "--help"), 0),
        (("policy", "show"), 0),
        (("nonsense",), 2),
        (("list",), 5),
        (("start", "ac-001"), 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_commands_end_with_their_exit_code(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    env = {**os.environ, "REVIEWS_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "account_reviews.cli", *arguments]
    ended = [
        subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False).returncode
        for _ in range(REPEATS)
    ]
    assert ended == [code] * REPEATS
