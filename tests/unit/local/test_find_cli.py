"""The `temporal` program is looked for in a fixed order."""

import sys
from pathlib import Path

import pytest

from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.local.temporal_server import find_cli


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = _program(tmp_path / "named" / "mine")
    beside = _program(tmp_path / "venv" / "temporal")
    on_path = _program(tmp_path / "path" / "temporal")
    monkeypatch.setattr(sys, "executable", str(beside.parent / "python"))
    monkeypatch.setenv("PATH", str(on_path.parent))
    monkeypatch.setenv("TEMPORAL_CLI_PATH", str(named))
    assert find_cli() == named
    monkeypatch.delenv("TEMPORAL_CLI_PATH")
    assert find_cli() == beside
    beside.unlink()
    assert find_cli() == on_path
    on_path.unlink()
    with pytest.raises(UnreachableError, match="TEMPORAL_ADDRESS and TEMPORAL_CLI_PATH"):
        find_cli()


@pytest.mark.parametrize("name", ["missing", "directory", "plain"])
def test_a_wrong_path_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "plain").touch(mode=0o644)
    monkeypatch.setenv("TEMPORAL_CLI_PATH", str(tmp_path / name))
    with pytest.raises(BadInputError, match="TEMPORAL_CLI_PATH"):
        find_cli()
