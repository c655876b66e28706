"""The wheel holds everything, and works without the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.migration import AUDIT, head_revision
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

SOURCES = (
    "pyproject.toml", "README.md", "LICENSE", "worker.py", "starter.py", "workflows", "activities",
    "account_reviews",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "dist",
        ".",
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "dist").glob("*.whl")
    return built


def caches(path: Path) -> bool:
    """True for what tools leave in the source tree."""
    parts = path.relative_to(ROOT).parts
    return any(part.startswith(".") or part == "__pycache__" for part in parts)


def packed(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_every_source_and_data_file_is_packed_and_nothing_else(wheel: Path) -> None:
    folders = ("workflows", "activities", "account_reviews")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    kept_out = {path for path in files if caches(path) or path.name == "ruff.toml"}
    there = {str(path.relative_to(ROOT)) for path in files if path not in kept_out}
    assert packed(wheel) == there | {"worker.py", "starter.py"}


def test_migrations_run_from_the_wheel(
    wheel: Path, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    postgres.create_database("wheel")
    code = "from account_reviews.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "db", "upgrade"],
        cwd=tmp_path,
        env=os.environ
        | {"PYTHONPATH": str(tmp_path / "site"), "REVIEWS_DATABASE_URL": postgres.url("wheel")},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"database upgraded: empty -> {head_revision()}",
        f"audit trail upgraded: empty -> {head_revision(AUDIT)}",
    ]
