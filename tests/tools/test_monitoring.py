"""The files for Prometheus, checked by its own tool."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

PROMETHEUS = ROOT / "deploy" / "prometheus"


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run what `make test-tools` builds."""
    program = os.environ.get("PROMTOOL")
    assert program, "PROMTOOL names no program: run `make test-tools`"
    return subprocess.run(
        [program, *words], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", PROMETHEUS / "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "alerts.yml"),
        ("test", "rules", ROOT / "tests" / "tools" / "alerts.yml"),
    ],
    ids=["config", "rules", "alerts"],
)
def test_promtool_finds_nothing(words: tuple[str | Path, ...]) -> None:
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_would_find_changed_thresholds(tmp_path: Path) -> None:
    """The tests of the alerts look at what the rules say."""
    rules = (PROMETHEUS / "alerts.yml").read_text("utf-8")
    changes = {"> 0.05": "> 0.5", "for: 15m": "for: 75m", "> 1000": "> 9000", "< 0.2": "< 0.02"}
    for said, changed in changes.items():
        assert said in rules
        rules = rules.replace(said, changed)
    (tmp_path / "alerts.yml").write_text(rules)
    tests = (ROOT / "tests" / "tools" / "alerts.yml").read_text("utf-8")
    place = "../../deploy/prometheus/alerts.yml"
    (tmp_path / "tests.yml").write_text(tests.replace(place, "alerts.yml"))
    done = promtool("test", "rules", tmp_path / "tests.yml")
    assert done.returncode != 0
    said_of = set(re.findall(r"alertname: (\w+)", done.stdout + done.stderr))
    assert said_of == {
        *("ToolFailures", "TaskFailures", "ReviewFailures", "SlowMemory", "TaskBacklog"),
        "CrmLimitLow",
    }
