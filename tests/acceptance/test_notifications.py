"""docs/notifications.md as a reader works through it, and a review whose people are notified."""

import asyncio
import base64
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from account_reviews.config import ports
from account_reviews.local.stack import LocalStack
from tests.support.commands import Reviews
from tests.support.console import commands, in_background, shell
from tests.support.forks import Forks
from tests.support.mail_server import MailServer, mail_server
from tests.support.paths import ROOT
from tests.support.portfolio_cluster import PortfolioCluster
from tests.support.webhook_receiver import Receiver, webhook_receiver

PAGE = ROOT / "docs" / "notifications.md"
START = "reviews dev --no-ui"
CHANNELS = ("console", "email", "webhook")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
POLICY = """
[notifications]
channels = ["email", "webhook", "console"]
time_zone = "Europe/Berlin"
[notifications.addresses]
ow-4 = "oren@example.com"
ow-1 = "unknown@example.com"
"""


@pytest.mark.temporal
def test_the_commands_of_the_page_work(short_dir: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    env = kept | {
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "REVIEWS_DATA_DIR": str(short_dir / "notices"),
    }
    steps = commands(PAGE.read_text(encoding="utf-8"))
    start = next(number for number, step in enumerate(steps) if step.text == START)
    with shell(env) as terminal:
        for step in steps[:start]:
            terminal.run(step)
        terminal.do("env")
        given = dict(line.partition("=")[::2] for line in terminal.printed.splitlines())
        exported = env | {"REVIEWS_POLICY_FILE": given["REVIEWS_POLICY_FILE"]}
        with in_background(START, exported, Path(env["REVIEWS_DATA_DIR"]) / "stack.json"):
            for step in steps[start + 1 :]:
                terminal.run(step)


@dataclass
class Office:
    reviews: Reviews
    mail: MailServer
    receiver: Receiver

    async def json(self, *words: str) -> Any:
        """Beside the servers of this process, which would not answer while it waits."""
        return await asyncio.to_thread(self.reviews.json, *words)

    async def request(self, account: str, owner: str) -> Any:
        """The account's request, once the owner's notices by all channels have ended."""
        await self.json("start", account, "--wait")
        (found,) = (await self.json("approvals", "list", "--account", account))["items"]
        while True:
            shown = await self.json("approvals", "show", found["request_id"])
            ended = [one for one in shown["notifications"] if one["state"] != "trying"]
            mine = [one for one in ended if one["recipient"] == owner]
            if len(mine) == len(CHANNELS):
                return {**shown, "notifications": mine}
            await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
async def office(
    short_dir: Path, portfolio_cluster: PortfolioCluster, forks: Forks
) -> AsyncIterator[Office]:
    """A stack whose worker sends mail and posts to servers of the test."""
    policy = short_dir / "notices.toml"
    policy.write_text(POLICY)
    async with mail_server() as mail, webhook_receiver() as receiver:
        settings = {
            "REVIEWS_POLICY_FILE": str(policy),
            "REVIEWS_SMTP_URL": f"smtp://{ports.LOOPBACK}:{mail.port}?starttls=off",
            "REVIEWS_SMTP_FROM": "Account Reviews <reviews@example.com>",
            "REVIEWS_WEBHOOK_URL": receiver.url,
            "REVIEWS_WEBHOOK_SECRET": SECRET,
            "NO_PROXY": ports.LOOPBACK,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            data_dir = portfolio_cluster.copied_to(short_dir / "office")
            async with LocalStack(data_dir, ui=False, temporal_port=ports.any_free()):
                yield Office(Reviews(data_dir, forks), mail, receiver)


async def test_the_owner_is_notified_once_by_every_channel(office: Office) -> None:
    shown = await office.request("ac-034", "ow-4")
    found = [(one["channel"], one["recipient"], one["ok"]) for one in shown["notifications"]]
    assert sorted(found) == [(name, "ow-4", True) for name in CHANNELS]
    assert {one["name"] for one in shown["notifications"]} == {"Oren Salvat"}
    (mail,) = (one for one in office.mail.mails if "oren@" in one["To"])
    assert mail["To"] == "Oren Salvat <oren@example.com>"
    assert "(Europe/Berlin)" in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"reviews approvals show {shown['short_id']}" in body.get_content()
    verified = [Webhook(SECRET).verify(one.body, one.headers) for one in office.receiver.requests]
    (document,) = (one for one in verified if one["data"]["recipient"] == "ow-4")
    assert document["type"] == "approval.requested"
    assert document["data"]["request_id"] == shown["request_id"]
    assert document["data"]["deadline"] == shown["deadline"]
    for text in (mail.as_string(), str(document)):
        for item in shown["items"]:
            assert item["title"] not in text
            assert item["rationale"] not in text
    done = await asyncio.to_thread(office.reviews, "approvals", "show", shown["request_id"])
    assert "Notified: Oren Salvat by e-mail, " in done.out
    health = await office.json("doctor")
    assert next(one for one in health["checks"] if one["name"] == "notifications")["ok"]


async def test_nobody_to_be_mailed_to_is_no_failure(office: Office) -> None:
    """The shipped policy names groups that have no members until somebody gives them some."""
    request = await office.request("ac-038", "ow-2")
    while True:
        found = (await office.json("approvals", "show", request["request_id"]))["notifications"]
        heard = {one["channel"] for one in found if one["recipient"] == "team_lead"}
        if {"webhook", "console"} <= heard and "trying" not in {one["state"] for one in found}:
            break
        await asyncio.sleep(0.1)
    assert heard == {"webhook", "console"}
    assert all(one["ok"] for one in found)
    kinds = {line["kind"] for line in (await office.json("history", "ac-038"))["items"]}
    assert "notice_failed" not in kinds


async def test_the_trail_holds_who_was_notified_and_is_whole(office: Office) -> None:
    query = ("audit", "tail", "--review", "ac-034", "--limit", "200")
    while True:
        rows = (await office.json(*query))["items"]
        sent = [one for one in rows if one["event_type"] == "notice_sent"]
        if {one["details"]["channel"] for one in sent} == set(CHANNELS):
            break
        await asyncio.sleep(0.1)
    assert {one["action"] for one in sent} <= {"request", "escalation"}
    assert "ow-4" in {one["details"]["recipient"] for one in sent}
    assert not [one for one in rows if "example.com" in str(one)]
    checked = await office.json("audit", "verify")
    assert checked["ok"], checked


async def test_a_mailbox_that_nobody_has_is_said_and_keeps_nothing(office: Office) -> None:
    office.mail.refuses["unknown@example.com"] = "550 5.1.1 no such user"
    account = "ac-037"
    shown = await office.request(account, "ow-1")
    found = {one["channel"]: one for one in shown["notifications"]}
    assert found["webhook"]["ok"]
    assert not found["email"]["ok"]
    assert "550" in found["email"]["error"]
    done = await asyncio.to_thread(office.reviews, "approvals", "show", shown["request_id"])
    assert "Not notified: " in done.out
    history = await office.json("history", account)
    assert "notice_failed" in {line["kind"] for line in history["items"]}
