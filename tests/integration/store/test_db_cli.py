"""`reviews db upgrade` as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.migrate import head_revision


def reviews(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "account_reviews.cli", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_upgrade_says_from_and_to(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("db_cli")
    url = postgres.url("db_cli").replace("postgresql+asyncpg", "postgres")
    first = reviews("db", "upgrade", "-o", "json", REVIEWS_DATABASE_URL=url)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {"from": None, "to": head_revision()}
    again = reviews("db", "upgrade", REVIEWS_DATABASE_URL=url)
    assert again.stdout == f"the database is up to date: {head_revision()}\n"


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("mysql://u:secret@h/db", 2, "is not PostgreSQL"),
        ("postgres://u:secret@127.0.0.1:1/db", 5, "Connection refused"),
    ],
)
def test_unusable_database_is_one_sentence(url: str, code: int, sentence: str) -> None:
    done = reviews("db", "upgrade", REVIEWS_DATABASE_URL=url)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_any_database(tmp_path: Path) -> None:
    done = reviews("db", "upgrade", "-o", "json", REVIEWS_DATA_DIR=str(tmp_path))
    assert done.returncode == 5
    assert json.loads(done.stderr)["error"]["code"] == "unreachable"
