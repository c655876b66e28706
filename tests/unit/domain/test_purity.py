"""The rules have no clock, no chance and no I/O: the fence catches each of them."""

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

DOMAIN = ROOT / "account_reviews/domain"

ALLOWED = {"account_reviews", "pydantic", "pydantic_core", "orjson"}


def lint(code: str) -> str:
    """Ruff's answer to `code` as a file of the domain."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251"]
    name = str(DOMAIN / "example.py")
    found = subprocess.run(
        [*command, "--stdin-filename", name, "-"],
        input=code, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout + found.stderr


@pytest.mark.parametrize(
    "code",
    [
        "from datetime import datetime\ndatetime.now()\n",
        "from datetime import date\ndate.today()\n",
        "import time\n",
        "import random\n",
        "from uuid import uuid4\nuuid4()\n",
        "import os\nos.environ['X']\n",
        "import sqlalchemy\n",
        "import asyncpg\n",
        "import httpx\n",
        "import temporalio\n",
    ],
)
def test_the_fence_catches(code: str) -> None:
    assert "TID251" in lint(code)


def test_the_domain_needs_only_models_and_json() -> None:
    import ast

    found = set()
    for path in DOMAIN.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    assert found - set(sys.stdlib_module_names) <= ALLOWED
