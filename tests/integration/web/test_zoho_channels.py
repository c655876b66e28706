"""Zoho CRM tells of changes by its channels, and reviews follow: all of the way, over its fake."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from temporalio.client import Client

from account_reviews.bootstrap import Parts
from account_reviews.crm.protocol import AccountFilter
from account_reviews.domain.records import Account
from account_reviews.fakes.framework import Notice
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from account_reviews.store.poll_cursors import PollCursors
from account_reviews.upkeep.changes import EventTools, poll, renew
from account_reviews.upkeep.event_work import EventWork
from tests.support.events import outcomes, pass_by, prepare, stored
from tests.support.fakes import FAKE_URL
from tests.support.webhooks import SECRETS, Door, open_door
from tests.support.world import create_task
from tests.support.zoho_crm import ZohoStage, stage

URL = "https://reviews.example/webhooks/zoho"


@pytest.fixture
def org(parts: Parts) -> ZohoStage:
    found = stage(accounts=3, tenant=parts.settings.tenant)
    prepare(parts, found.crm)
    return found


@pytest.fixture
async def door(parts: Parts, org: ZohoStage, database_url: str) -> AsyncIterator[Door]:
    """Where the org posts to."""
    env = org.app.env(FAKE_URL)
    secrets = replace(
        SECRETS,
        zoho_token=env["REVIEWS_ZOHO_WEBHOOK_TOKEN"],
        zoho_secret=env["REVIEWS_ZOHO_WEBHOOK_SECRET"],
    )
    async with open_door(database_url, parts.settings.tenant, secrets=secrets) as door:

        async def deliver(notice: Notice) -> None:
            path, headers = urlsplit(notice.url).path, dict(notice.headers)
            answer = await door.http.post(path, content=notice.body, headers=headers)
            assert answer.status_code == 202, answer.text

        org.app.deliver = deliver
        yield door


@pytest.fixture
def tools(parts: Parts, org: ZohoStage) -> EventTools:
    token = org.app.env(FAKE_URL)["REVIEWS_ZOHO_WEBHOOK_TOKEN"]
    cursors = PollCursors(parts.transactions, parts.settings.tenant)
    return EventTools(parts.intake, cursors, URL, token)


def first(org: ZohoStage, module: str) -> Any:
    """A record that somebody edits."""
    return next(iter(org.org.rows[module].values()))


async def told(org: ZohoStage) -> None:
    """The org posts what it has to say with the next request, whatever that is."""
    await org.crm.health()
    while org.app._tasks:
        await asyncio.gather(*list(org.app._tasks))


async def test_channels_are_made_and_renewed_before_they_end(
    org: ZohoStage, tools: EventTools
) -> None:
    now = org.clock.now()
    made = await renew(org.crm, tools, now)
    assert made is not None
    assert {one.name for one in made} >= {"Accounts", "Deals", "Contacts", "Tasks", "Notes"}
    assert all(one.renewed for one in made)
    again = await renew(org.crm, tools, now)
    assert again is not None
    assert not any(one.renewed for one in again)
    org.clock.at += timedelta(days=6)
    later = await renew(org.crm, tools, org.clock.now())
    assert later is not None
    assert all(one.renewed and one.expires_at > org.clock.now() for one in later)


async def test_a_change_in_the_org_begins_one_review_of_its_account(
    parts: Parts, org: ZohoStage, door: Door, tools: EventTools, own_client: Client
) -> None:
    await renew(org.crm, tools, org.clock.now())
    deal = first(org, "Deals")
    account = deal.values["Account_Name"]
    for stage_name in ("Qualification", "Needs Analysis", "Proposal"):
        org.clock.at += timedelta(seconds=2)
        org.org.update(deal, {"Stage": stage_name}, org.clock.now(), by=other_user(org))
    await told(org)
    rows = await stored(parts)
    assert {(row["record_type"], row["record_id"]) for row in rows} == {("deal", deal.id)}
    org.clock.at += timedelta(seconds=5)
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["started"] * len(rows)
    assert {row["account_id"] for row in await stored(parts)} == {account}


async def test_the_echo_of_our_own_write_begins_nothing(
    parts: Parts, org: ZohoStage, door: Door, tools: EventTools, own_client: Client
) -> None:
    await renew(org.crm, tools, org.clock.now())
    (account, *_) = (await org.crm.list_accounts(AccountFilter())).items
    change = create_task(Account(id=account.id, version=account.version, name=account.name))
    after = {**change.after, "owner_id": account.owner_id}
    change = change.model_copy(update={"after": after})
    ledger, tenant = OperationLedger(parts.engine), parts.settings.tenant
    async with ledger.transaction() as connection:
        await ledger.begin(
            connection, Intent(f"{tenant}:1", tenant, change, None), lease_seconds=60
        )
    result = await org.crm.apply(change, expected_version=None, operation_id=f"{tenant}:1")
    await ledger.settle(f"{tenant}:1", result)
    await told(org)
    org.clock.at += timedelta(seconds=5)
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["own_write"]


async def test_polling_finds_what_no_notice_told(
    parts: Parts, org: ZohoStage, tools: EventTools, own_client: Client
) -> None:
    await poll(org.crm, tools, org.clock.now())
    org.clock.at += timedelta(hours=1)
    deal = first(org, "Deals")
    org.org.update(deal, {"Stage": "Qualification"}, org.clock.now(), by=other_user(org))
    org.clock.at += timedelta(minutes=5)
    done = await poll(org.crm, tools, org.clock.now())
    assert done.taken == 1
    await pass_by(EventWork(parts, own_client), parts)
    assert await outcomes(parts) == ["started"]
    assert (await stored(parts))[0]["account_id"] == deal.values["Account_Name"]


def other_user(org: ZohoStage) -> str:
    return next(str(user) for user in org.org.users if user != org.org.api_user)
