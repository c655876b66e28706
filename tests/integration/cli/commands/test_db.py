"""`reviews db upgrade` as a user runs it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.migration import AUDIT, head_revision
from account_reviews.store.statements import connect
from tests.support.waiting import PATIENCE


def reviews(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "account_reviews.cli", *words],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_upgrade_says_from_and_to(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("db_cli")
    url = postgres.url("db_cli").replace("postgresql+asyncpg", "postgres")
    first = reviews("db", "upgrade", "-o", "json", REVIEWS_DATABASE_URL=url)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {
        "from": None,
        "to": head_revision(),
        "audit": {"from": None, "to": head_revision(AUDIT)},
    }
    again = reviews("db", "upgrade", REVIEWS_DATABASE_URL=url)
    assert again.stdout.splitlines() == [
        f"the database is up to date: {head_revision()}",
        f"the audit trail is up to date: {head_revision(AUDIT)}",
    ]


def test_the_audit_trail_may_have_a_database_of_its_own(postgres: EmbeddedPostgres) -> None:
    for name in ("db_cli_main", "db_cli_audit"):
        postgres.create_database(name)
    addresses = {
        "REVIEWS_DATABASE_URL": postgres.url("db_cli_main"),
        "REVIEWS_AUDIT_DATABASE_URL": postgres.url("db_cli_audit"),
    }
    done = reviews("db", "upgrade", **addresses)
    assert done.returncode == 0, done.stderr
    found = {name: _schemas(postgres, name) for name in ("db_cli_main", "db_cli_audit")}
    assert found["db_cli_main"] == {"crm", "reviews"}
    assert found["db_cli_audit"] == {"audit"}


def _schemas(postgres: EmbeddedPostgres, database: str) -> set[str]:
    async def ask() -> set[str]:
        connection = await connect(postgres.url(database), application_name="tests")
        try:
            rows = await connection.fetch(
                "select nspname from pg_namespace where nspname !~ '^pg_' "
                "and nspname not in ('public', 'information_schema')"
            )
        finally:
            await connection.close()
        return {row["nspname"] for row in rows}

    return asyncio.run(ask())


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
