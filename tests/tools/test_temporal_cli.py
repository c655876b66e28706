"""Every command of docs/temporal-cli.md, with the real `temporal` and `tctl`."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import Shell, commands, in_background, shell
from tests.support.paths import ROOT

PORTFOLIO = "examples/portfolio --mapping examples/portfolio/mapping.yaml --as-of 2026-10-01"


@pytest.fixture
def terminal(short_dir: Path) -> Iterator[Shell]:
    """A shell beside a running stack with the example portfolio."""
    data_dir = short_dir / "tools"
    tctl = Path(os.environ.get("TCTL", ROOT / ".tools" / "bin" / "tctl"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")} | {
        "PATH": f"{Path(sys.executable).parent}:{tctl.parent}:{os.environ['PATH']}",
        "REVIEWS_DATA_DIR": str(data_dir),
    }
    with in_background("reviews dev --no-ui", env, data_dir / "stack.json"):
        address = json.loads((data_dir / "stack.json").read_text())["temporal_address"]
        env |= {"TEMPORAL_ADDRESS": address, "TEMPORAL_CLI_ADDRESS": address}
        with shell(env) as opened:
            opened.do(f"reviews crm import {PORTFOLIO}")
            yield opened


def test_the_commands_of_the_page_work(terminal: Shell) -> None:
    terminal.do("tctl --version")
    assert "1.15" in terminal.printed
    for step in commands((ROOT / "docs" / "temporal-cli.md").read_text(encoding="utf-8")):
        terminal.run(step)
