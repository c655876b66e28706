"""`reviews config show` as a person uses it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


def _show(
    tmp_path: Path, *flags: str, encoding: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "account_reviews.cli", "config", "show", *flags],
        capture_output=True,
        text=True,
        encoding=encoding,
        check=False,
        env={**os.environ, "REVIEWS_DATA_DIR": str(tmp_path), **variables},
    )


def test_every_setting_has_an_origin(tmp_path: Path) -> None:
    done = _show(
        tmp_path,
        *("-o", "json"),
        DATABASE_HOST="db.internal",
        DATABASE_USER="app",
        DATABASE_PASSWORD="very secret",
        INACTIVITY_THRESHOLD_DAYS="20",
        TEMPORAL_ADDRESS="127.0.0.1:1",
        REDIS_URL="redis://x",
    )
    assert done.returncode == 0, done.stderr
    assert "secret" not in done.stdout
    document = json.loads(done.stdout)
    items = {item["name"]: (item["value"], item["origin"]) for item in document["items"]}
    assert items["REVIEWS_DATA_DIR"] == (str(tmp_path), "environment")
    assert items["REVIEWS_TENANT"] == ("default", "default")
    assert items["REVIEWS_DATABASE_URL"] == (
        "postgresql+asyncpg://app:***@db.internal:5432/reviews",
        "DATABASE_HOST",
    )
    assert items["TEMPORAL_ADDRESS"] == ("127.0.0.1:1", "environment")
    assert items["policy.risk.inactivity_days"] == ("20", "INACTIVITY_THRESHOLD_DAYS")
    assert [item["name"] for item in document["without_effect"]] == ["REDIS_URL"]


def test_the_table_has_origins_on_request(tmp_path: Path) -> None:
    assert _show(tmp_path).stdout.split("\n")[0].split() == ["Setting", "Value"]
    with_origin = _show(tmp_path, "--origin").stdout
    assert with_origin.split("\n")[0].split() == ["Setting", "Value", "Set", "by"]


def test_a_bad_value_is_one_sentence(tmp_path: Path) -> None:
    done = _show(tmp_path, MAX_NOTES_PER_ACCOUNT="some")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "MAX_NOTES_PER_ACCOUNT is 'some', but must be a whole number\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_an_answer_is_given_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    tenant = "Prüfung 🚀 \u202e"
    given = {"PYTHONIOENCODING": encoding, "REVIEWS_TENANT": tenant}
    done = _show(tmp_path, "-o", "json", encoding=encoding, **given)
    assert (done.returncode, done.stderr) == (0, "")
    items = {one["name"]: one["value"] for one in json.loads(done.stdout)["items"]}
    assert items["REVIEWS_TENANT"] == tenant
    table = _show(tmp_path, encoding=encoding, **given)
    assert (table.returncode, table.stderr) == (0, "")
    assert "fung" in table.stdout


def test_what_notifies_is_shown_without_its_secrets(tmp_path: Path) -> None:
    done = _show(
        tmp_path,
        *("-o", "json"),
        REVIEWS_SMTP_URL="smtp://ann:very-secret@mail.example.com:587",
        REVIEWS_SMTP_FROM="reviews@example.com",
        REVIEWS_WEBHOOK_URL="https://hooks.example.com/services/very-secret?token=very-secret",
        REVIEWS_WEBHOOK_SECRET="whsec_very-secret",
    )
    assert done.returncode == 0, done.stderr
    assert "very-secret" not in done.stdout
    items = {item["name"]: item["value"] for item in json.loads(done.stdout)["items"]}
    assert items["REVIEWS_SMTP_URL"] == "smtp://ann:***@mail.example.com:587"
    assert items["REVIEWS_SMTP_FROM"] == "reviews@example.com"
    assert items["REVIEWS_WEBHOOK_URL"] == "https://hooks.example.com/***"
    assert items["REVIEWS_WEBHOOK_SECRET"] == "***"


def test_a_secret_of_a_file_is_not_read_to_be_shown(tmp_path: Path) -> None:
    done = _show(tmp_path, "-o", "json", REVIEWS_WEBHOOK_SECRET_FILE="/run/secrets/webhook")
    items = {item["name"]: item["value"] for item in json.loads(done.stdout)["items"]}
    assert items["REVIEWS_WEBHOOK_SECRET_FILE"] == "/run/secrets/webhook"
    assert items["REVIEWS_WEBHOOK_SECRET"] is None
