"""`reviews crm` as a user runs it."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
PORTFOLIO = ["crm", "import", str(EXAMPLES / "portfolio"), "--mapping",
             str(EXAMPLES / "portfolio" / "mapping.yaml")]  # fmt: skip
DIRTY = ["crm", "import", str(EXAMPLES / "dirty"), "--mapping",
         str(EXAMPLES / "dirty" / "mapping.yaml")]  # fmt: skip


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    return database_url


def reviews(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "account_reviews.cli", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "REVIEWS_DATABASE_URL": url, "COLUMNS": "200"},
    )  # fmt: skip
    assert "Traceback" not in found.stderr
    return found


def test_import_ping_and_import_again(url: str) -> None:
    first = reviews(url, *PORTFOLIO, "--as-of", "2026-10-01", "-o", "json")
    assert (first.returncode, first.stderr) == (0, "")
    report = json.loads(first.stdout)
    assert report["as_of"] == "2026-10-01T00:00:00Z"
    assert report["problems"] == []
    assert {"file": "accounts.csv", "module": "accounts", "rows": 64, "inserted": 64,
            "updated": 0, "unchanged": 0, "skipped": 0} in report["files"]  # fmt: skip
    again = reviews(url, *PORTFOLIO)
    assert again.returncode == 0
    assert "unchanged" in again.stdout
    ping = reviews(url, "crm", "ping", "-o", "json")
    assert ping.returncode == 0
    assert json.loads(ping.stdout)["detail"] == "the SQL CRM holds 64 accounts"


def test_bad_rows_are_listed(url: str) -> None:
    found = reviews(url, *DIRTY)
    assert (found.returncode, found.stdout) == (2, "")
    lines = found.stderr.splitlines()
    assert "accounts.csv line 3, Status: status is not one of Active, Inactive" in found.stderr
    assert lines[-1].startswith(
        "nothing was imported because of 12 problems, the first: owners.csv"
    )
    assert len(lines) == 13


def test_bad_rows_for_programs(url: str) -> None:
    found = reviews(url, *DIRTY, "-o", "json")
    assert (found.returncode, found.stdout) == (2, "")
    error = json.loads(found.stderr)["error"]
    assert error["code"] == "import_refused"
    assert error["problem_count"] == len(error["problems"]) == 12
    assert set(error["problems"][0]) == {"file", "line", "column", "value", "message"}


def test_bad_rows_are_skipped_when_asked(url: str) -> None:
    found = reviews(url, *DIRTY, "--on-error", "skip", "-o", "json")
    assert found.returncode == 0
    assert json.loads(found.stdout)["problem_count"] > 12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([*PORTFOLIO, "--as-of", "soon"], 2, "--as-of cannot be 'soon'"),
        ([*PORTFOLIO, "--as-of", "2026-10-01T10:00"], 2, "--as-of cannot be"),
        ([*PORTFOLIO, "--on-error", "panic"], 2, "'panic' is not one of"),
        (["crm", "import", "nowhere", *PORTFOLIO[3:]], 2, "nowhere is not a directory"),
        ([*PORTFOLIO[:3], "--mapping", "nowhere.yaml"], 2, "nowhere.yaml does not exist"),
        (PORTFOLIO[:3], 2, "--mapping"),
    ],
)
def test_a_mistake_is_one_sentence(url: str, arguments: list[str], code: int, message: str) -> None:
    found = reviews(url, *arguments)
    assert (found.returncode, found.stdout) == (code, "")
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [PORTFOLIO, ["crm", "ping"]], ids=["import", "ping"])
def test_no_database(url: str, arguments: list[str]) -> None:
    found = reviews(url.replace("/test_", "/gone_"), *arguments)
    assert found.returncode == 5
    assert "does not exist" in found.stdout + found.stderr
    assert len((found.stdout + found.stderr).splitlines()) == 1
