"""People who sign in and programs with tokens, by commands, the pages and in reviews."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from account_reviews.local.stack import LocalStack
from tests.support.commands import CLI, Reviews
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE
from tests.support.web_site import csrf_in

PASSWORD = "correct horse battery"
POLICY = """
[access.users]
"Ann Lee" = ["approver"]

[access.groups]
sales = ["approver"]
"""


def add(
    reviews: Reviews, *words: str, password: str = PASSWORD
) -> "subprocess.CompletedProcess[str]":
    """`reviews users add`, with the password on standard input."""
    return subprocess.run(
        [*CLI, "users", "add", *words, "--password-stdin", "-o", "json"],
        env=reviews.env,
        cwd=ROOT,
        input=f"{password}\n",
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.fixture(scope="module")
def web(reviews: Reviews) -> Iterator[str]:
    """The address of a running `reviews web`."""
    process = reviews.begin("web", "--port", "0")
    assert process.stderr is not None
    said = process.stderr.readline()
    assert said.startswith("web ready"), said + process.stderr.read()
    yield said.partition("url=")[2].split()[0]
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


@pytest.fixture
async def checked(reviews: Reviews, stack: LocalStack, tmp_path: Path) -> AsyncIterator[Path]:
    """A policy with users, by which the only worker goes."""
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY)
    await stack.kill_worker()
    worker = reviews.worker(REVIEWS_POLICY_FILE=str(policy))
    yield policy
    worker.terminate()
    worker.communicate(timeout=PATIENCE)
    await stack.start_worker()


def test_a_user_is_added_signs_in_and_is_removed(reviews: Reviews, web: str) -> None:
    made = add(reviews, "Wanda Blau", "--role", "approver", "--group", "sales")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    (row,) = [one for one in reviews.json("users", "list")["items"] if one["name"] == "Wanda Blau"]
    assert (row["roles"], row["groups"], row["source"]) == (["approver"], ["sales"], "local")
    assert row["seen_at"] is None
    with httpx2.Client(base_url=web, follow_redirects=False) as browser:
        form = {"csrf_token": csrf_in(browser.get("/login").text), "username": "wanda blau"}
        assert browser.post("/login", data={**form, "password": "no"}).status_code == 401
        assert browser.post("/login", data={**form, "password": PASSWORD}).status_code == 303
        assert browser.get("/login").headers["location"] == "/"
        assert reviews.json("users", "sign-out", "Wanda Blau") == {"ended": 1}
        assert browser.get("/login").status_code == 200
    reviews.json("users", "remove", "WANDA blau")
    again = reviews.quick("users", "remove", "Wanda Blau", "-o", "json").error(3)
    assert "no user 'Wanda Blau'" in again["message"]
    tail = reviews.json("audit", "tail", "--type", "configuration_changed")["items"]
    assert {"user added", "user removed"} <= {one["action"] for one in tail}


@pytest.mark.parametrize(
    ("words", "password", "code", "says"),
    [
        (("Bo",), PASSWORD, 2, "needs a role or a group"),
        (("Bo", "--role", "boss"), PASSWORD, 2, "--role is 'boss', but must be one of admin"),
        (("Bo", "--role", "admin"), "short", 2, "8 to 1,000 characters"),
        (("Bo", "--role", "admin"), "aaaaaaaaaa", 2, "three different characters"),
        ((" ", "--role", "admin"), PASSWORD, 2, "a name has 1 to 200 characters"),
    ],
)
def test_a_user_that_cannot_be_is_not_added(
    reviews: Reviews, words: tuple[str, ...], password: str, code: int, says: str
) -> None:
    done = add(reviews, *words, password=password)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""


def test_a_name_is_taken_once(reviews: Reviews) -> None:
    assert add(reviews, "Twice", "--role", "analyst").returncode == 0
    done = add(reviews, "TWICE", "--role", "admin")
    assert (done.returncode, "there is a local user 'TWICE' already" in done.stderr) == (4, True)


def test_without_a_password_nobody_is_added(reviews: Reviews) -> None:
    said = reviews.quick("users", "add", "Bo", "--role", "admin").sentence(2)
    assert "--password-stdin" in said


def test_a_link_signs_in_once(reviews: Reviews, web: str) -> None:
    assert "nobody knows 'Nina'" in reviews.quick("users", "link", "Nina").sentence(3)
    made = reviews.json("users", "link", "Nina", "--role", "analyst")
    with httpx2.Client(base_url=web) as browser:
        page = browser.get(made["path"]).text
        form = {"csrf_token": csrf_in(page), "secret": made["path"].rpartition("/")[2]}
        assert browser.post("/login/link", data=form).status_code == 303
        form["csrf_token"] = csrf_in(browser.get(made["path"]).text)
        assert browser.post("/login/link", data=form).status_code == 401


def test_a_program_gets_in_until_its_token_is_revoked(reviews: Reviews, web: str) -> None:
    made = reviews.json("tokens", "create", "nightly", "--role", "operator", "--scope", "read")
    assert set(made) == {"id", "token"}
    (row,) = reviews.json("tokens", "list")["items"]
    assert (row["id"], row["scopes"], row["used_at"]) == (made["id"], ["read"], None)
    assert made["token"] not in str(row)
    headers = {"authorization": f"Bearer {made['token']}"}
    assert httpx2.get(f"{web}/api/v1/nothing", headers=headers).status_code == 404
    assert reviews.json("tokens", "revoke", made["id"])["revoked_at"] is not None
    assert httpx2.get(f"{web}/api/v1/nothing", headers=headers).status_code == 401
    assert "no token" in reviews.quick("tokens", "revoke", "x").sentence(3)


async def test_reviews_know_who_is_a_user_here_and_not_in_the_policy(
    reviews: Reviews, checked: Path
) -> None:
    env = {"REVIEWS_POLICY_FILE": str(checked)}
    assert add(reviews, "Sales One", "--group", "sales").returncode == 0
    assert add(reviews, "Audit One", "--role", "auditor").returncode == 0
    request = reviews.request("ac-041")
    approve = ("approvals", "approve", request["request_id"], "-o", "json", "--as")
    for name, says in (("Nobody", "not among the users"), ("Audit One", "may not decide")):
        for more in (env, {}):  # refused by the command, and by the review itself
            assert says in reviews.quick(*approve, name, **more).error(1)["message"]
    assert reviews.quick(*approve, "sales one", **env).document()["state"] == "approved"
    reviews.closed("ac-041")
    reviews.json("users", "remove", "Sales One")
    request = reviews.request("ac-042")
    late = ("approvals", "approve", request["request_id"], "-o", "json", "--as", "Sales One")
    assert "not among the users" in reviews.quick(*late).error(1)["message"]
