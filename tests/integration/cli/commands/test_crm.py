"""`reviews crm` as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

EXAMPLES = ROOT / "examples"
PORTFOLIO = ["crm", "import", str(EXAMPLES / "portfolio"), "--mapping",
             str(EXAMPLES / "portfolio" / "mapping.yaml")]  # fmt: skip
DIRTY = ["crm", "import", str(EXAMPLES / "dirty"), "--mapping",
         str(EXAMPLES / "dirty" / "mapping.yaml")]  # fmt: skip


@pytest.fixture(scope="module")
def url(database_url: str) -> str:
    return database_url


def reviews(
    url: str, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [sys.executable, "-m", "account_reviews.cli", *arguments],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
        env={**os.environ, "REVIEWS_DATABASE_URL": url, "COLUMNS": "200", **(env or {})},
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
    assert "Unchanged" in again.stdout
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
        ([*PORTFOLIO, "--as-of", "soon"], 2, "'soon' is not a time"),
        ([*PORTFOLIO, "--as-of", "2026-10-01T10:00"], 2, "has no time zone"),
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


def test_a_moment_that_no_review_can_be_made_of_is_refused_as_at_a_start(url: str) -> None:
    assert reviews(url, *PORTFOLIO).returncode == 0
    moments = ("9999-12-31", "0001-01-01", "0026-10-01", "2062-10-01", "2026-10-01T05:00", "soon")
    for moment in moments:
        imported = reviews(url, *PORTFOLIO, "--as-of", moment)
        started = reviews(url, "start", "ac-001", "--as-of", moment)
        assert (imported.returncode, started.returncode) == (2, 2)
        assert imported.stderr == started.stderr


def test_a_name_that_two_people_have_is_no_name_of_one(url: str, tmp_path: Path) -> None:
    (tmp_path / "owners.csv").write_text("Id,Name\nsn-1,John Smith\nsn-2,John Smith\nsn-3,Ann\n")
    (tmp_path / "accounts.csv").write_text(
        "Id,Name,Owner\nsn-a,First,sn-1\nsn-b,Second,sn-2\nsn-c,Third,sn-3\n"
    )
    (tmp_path / "m.yaml").write_text(
        "files:\n"
        "- {file: owners.csv, module: owners, fields: {id: Id, name: Name}}\n"
        "- {file: accounts.csv, module: accounts, fields: {id: Id, name: Name, owner_id: Owner}}\n"
    )
    assert reviews(
        url, "crm", "import", str(tmp_path), "--mapping", str(tmp_path / "m.yaml")
    ).stdout
    for command in (("digest",), ("start",), ("cycles", "start")):
        refused = reviews(url, *command, "--owner", "John Smith")
        both = "John Smith (sn-1) or John Smith (sn-2)"
        said = f"2 owners may be meant by 'John Smith': {both} (give the id)\n"
        assert (refused.returncode, refused.stderr) == (2, said)
    for name in ("sn-1", "Ann"):
        assert reviews(url, "digest", "--owner", name).returncode == 0


def test_a_file_of_ids_holds_ids_and_nothing_else(url: str, tmp_path: Path) -> None:
    ids = tmp_path / "ids.txt"
    for content, named in (
        ("#1001\n", "#1001"),
        ("\ufeffno-1\r\n", "no-1"),
        ("\n no-2 \n", "no-2"),
    ):
        ids.write_bytes(content.encode())
        found = reviews(url, "start", "--file", str(ids))
        assert found.returncode == 1
        assert f"the CRM has no account {named!r}" in found.stdout


@pytest.fixture
def zoho() -> Iterator[dict[str, str]]:
    """What a process needs for a Zoho of its own, which is a fake."""
    process = subprocess.Popen(
        [sys.executable, "-m", "account_reviews.cli", "fake", "zoho", "--accounts", "1"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        env: dict[str, str] = json.loads(process.stdout.readline())["env"]
        yield {**env, "REVIEWS_ZOHO_DAILY_CREDITS": "5000"}
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_limits_of_a_service_before_and_after_a_call(url: str, zoho: dict[str, str]) -> None:
    before = json.loads(reviews(url, "crm", "limits", "-o", "json", env=zoho).stdout)
    assert before == {
        "backend": "zoho",
        "credits": {"limit": 5000, "used": 0, "remaining": 5000, "window_seconds": 86400.0},
        "concurrency": {"limit": 10, "in_use": 0, "leases": []},
        "token": {"expires_at": None, "refreshes_10m": 0},
        "waiting": {"people": 0, "schedules": 0},
        "paused_until": None,
    }
    assert reviews(url, "crm", "ping", env=zoho).returncode == 0
    after = json.loads(reviews(url, "crm", "limits", "-o", "json", env=zoho).stdout)
    assert after["credits"]["used"] + after["credits"]["remaining"] == 5000
    assert after["credits"]["used"] > 0
    assert after["concurrency"]["leases"] == []
    assert after["token"]["refreshes_10m"] == 1
    assert after["token"]["expires_at"] is not None
    table = reviews(url, "crm", "limits", env=zoho)
    assert "of 5000" in table.stdout
    assert "left in 1 day" in table.stdout
    assert "UTC" not in table.stdout
    assert zoho["REVIEWS_ZOHO_REFRESH_TOKEN"] not in table.stdout + str(after)


def test_a_crm_in_tables_has_no_limits(url: str) -> None:
    found = reviews(url, "crm", "limits")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("this CRM counts no calls")
