"""The collector's file, checked by the collector itself. Building one takes minutes."""

import os
import subprocess
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

COLLECTOR = ROOT / "deploy" / "otel" / "collector.yaml"


def validate(file: Path) -> subprocess.CompletedProcess[str]:
    """Run what `make test-collector` builds."""
    program = os.environ.get("OTELCOL")
    assert program, "OTELCOL names no program: run `make test-collector`"
    words = [program, "validate", "--config", str(file)]
    return subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_the_collector_takes_its_file(tmp_path: Path) -> None:
    done = validate(COLLECTOR)
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(COLLECTOR.read_text("utf-8").replace("limit_mib", "limit_mb"))
    assert validate(wrong).returncode != 0
