"""Zoho CRM as a person connects and checks it, against its fake in a process of its own."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.console import commands, shell
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE

PAGE = ROOT / "docs" / "zoho.md"
REVIEWS = (sys.executable, "-m", "account_reviews.cli")


@pytest.fixture(scope="module")
def fake() -> Iterator[dict[str, Any]]:
    """The fake's first line."""
    process = subprocess.Popen(
        [*REVIEWS, "fake", "zoho", "--accounts", "2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def env(fake: dict[str, Any], database_url: str, tmp_path: Path) -> dict[str, str]:
    """What a command needs."""
    ours = {"REVIEWS_DATABASE_URL": database_url, "REVIEWS_DATA_DIR": str(tmp_path)}
    return {**os.environ, **fake["env"], **ours, "COLUMNS": "200"}


def reviews(
    env: Mapping[str, str], *words: str, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        [*REVIEWS, *words], capture_output=True, text=True, timeout=PATIENCE, check=False, env=env,
        input=typed, cwd=ROOT,
    )  # fmt: skip
    assert "Traceback" not in found.stderr
    return found


def test_the_page_does_what_it_says(env: dict[str, str]) -> None:
    path = f"{Path(sys.executable).parent}:{env['PATH']}"
    with shell({**env, "PATH": path}) as terminal:
        for command in commands(PAGE.read_text()):
            terminal.run(command)


def test_connect_walks_through_the_consent(fake: dict[str, Any], env: dict[str, str]) -> None:
    """The address is printed, the code taken, the token stored; then the CRM answers with it."""
    del env["REVIEWS_ZOHO_DATA_CENTRE"]
    token = env.pop("REVIEWS_ZOHO_REFRESH_TOKEN")
    before = reviews(env, "crm", "ping")
    assert before.returncode == 2
    assert "connect it with `reviews crm connect zoho`" in before.stderr
    shown = reviews(env, "crm", "connect", "zoho", typed="eu\n")
    assert shown.returncode == 2
    url = re.search(r"http://\S+/oauth/v2/auth\S+", shown.stdout)
    assert url is not None
    asked = parse_qs(urlsplit(url[0]).query)
    assert asked["client_id"] == [fake["env"]["REVIEWS_ZOHO_CLIENT_ID"]]
    code = _consent(url[0])
    wrong = reviews(env, "crm", "connect", "zoho", "--data-centre", "eu", "--code", "nonsense")
    assert (wrong.returncode, "Zoho does not take the code" in wrong.stderr) == (2, True)
    made = reviews(env, "crm", "connect", "zoho", "--data-centre", "eu", "--code", code)
    assert made.returncode == 0, made.stderr
    assert "is stored in" in made.stdout
    assert "answers as" in made.stdout
    assert token not in made.stdout + made.stderr
    ping = reviews(env, "crm", "ping", "-o", "json")
    assert json.loads(ping.stdout)["ok"] is True


def test_check_names_what_does_not_fit(env: dict[str, str], tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.yaml"
    mapping.write_text(
        "modules: [{module: Accounts, record: account, fields:"
        " {name: Account_Name, employees: Industry, phone: Fone}}]"
    )
    own = {**env, "REVIEWS_CRM_MAPPING": str(mapping)}
    found = reviews(own, "crm", "check", "-o", "json")
    assert found.returncode == 1
    assert json.loads(found.stdout) == {
        "ok": False,
        "problems": [
            {"field": "accounts.employees", "crm_field": "Accounts.Industry",
             "expected": "whole number", "found": "a pick list"},
            {"field": "accounts.phone", "crm_field": "Accounts.Fone", "expected": "text",
             "found": "no such field"},
        ],
    }  # fmt: skip
    doctor = reviews({**own, "TEMPORAL_ADDRESS": "127.0.0.1:1"}, "doctor", "-o", "json")
    checks = {one["name"]: one for one in json.loads(doctor.stdout)["checks"]}
    assert "2 fields are not as the mapping has them" in checks["crm"]["detail"]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"REVIEWS_ZOHO_CLIENT_SECRET": "wrong"}, 5, "the client secret is wrong"),
        ({"REVIEWS_ZOHO_DATA_CENTRE": "us"}, 2, "is 'us', which is no data centre of Zoho"),
        ({"REVIEWS_ZOHO_ACCOUNTS_URL": "http://127.0.0.1:1"}, 5, "sign-in cannot be reached"),
        ({"REVIEWS_CRM_MAPPING": "/nowhere.yaml"}, 2, "/nowhere.yaml does not exist"),
        ({"REVIEWS_CRM_URL": "siebel://"}, 2, "use one of: "),
    ],
)
def test_what_is_set_wrongly_is_one_sentence(
    env: dict[str, str], changed: dict[str, str], code: int, said: str
) -> None:
    found = reviews({**env, **changed}, "crm", "ping")
    assert found.returncode == code
    assert said in found.stderr
    assert found.stderr.count("\n") == 1


def _consent(url: str) -> str:
    """What the browser of a person who allows it ends with."""
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *args: Any, **kwargs: Any) -> None:
            return None

    try:
        urllib.request.build_opener(Stay).open(url)
    except urllib.error.HTTPError as answer:
        return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
    raise AssertionError("nobody was sent back")
