"""What a command does when its output goes nowhere. No service is needed."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import PATIENCE

POLICY = (sys.executable, "-m", "account_reviews.cli", "policy", "show")


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            POLICY, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 5
    assert done.stderr == "the answer cannot be written: No space left on device\n"


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_reader_that_goes_away_is_no_error(form: str) -> None:
    command = subprocess.Popen(
        [*POLICY, "-o", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    command.stdout.close()
    assert command.stderr is not None
    said = command.stderr.read()
    command.stderr.close()
    assert (command.wait(timeout=PATIENCE), said) == (0, "")


def test_output_that_is_closed(tmp_path: Path) -> None:
    command = f"{shlex.join(POLICY)} >&-"
    done = subprocess.run(command, shell=True, capture_output=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")
