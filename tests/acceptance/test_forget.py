"""`reviews forget` as a person uses it: what was named is nowhere in our tables afterwards."""

import asyncio
import json
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import (
    Client,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    WorkflowExecution,
    WorkflowExecutionAsyncIterator,
    WorkflowHandle,
)
from temporalio.service import RPCError, RPCStatusCode

from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.domain.erasure import ErasureKind
from account_reviews.domain.proposals import Action
from account_reviews.local.stack import LocalStack
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from account_reviews.upkeep import forget as forgetting
from account_reviews.upkeep.forget import Wish, forget
from tests.support.commands import Reviews, rows
from tests.support.crm import change
from tests.support.waiting import until

WHO = ("--as", "dpo", "--reason", "art. 17")
TABLES = """
select format('%I.%I', table_schema, table_name) as name
from information_schema.tables
where table_schema = 'reviews' and table_type = 'BASE TABLE'
"""


async def where(engine: AsyncEngine, words: str) -> list[str]:
    """Tables of ours that hold these words, in any case. The trail never changes."""
    found = []
    for table in await rows(engine, TABLES):
        query = f"select 1 from {table['name']} t where t::text ilike :words limit 1"
        if await rows(engine, query, words=f"%{words}%"):
            found.append(table["name"])
    return found


async def executions(stack: LocalStack, workflow_id: str) -> list[WorkflowExecution]:
    client = await Client.connect(stack.address)
    query = f"WorkflowId = '{workflow_id}'"
    return [found async for found in client.list_workflows(query)]


async def listed_no_more(stack: LocalStack, workflow_id: str) -> None:
    await until(lambda: executions(stack, workflow_id), lambda found: not found)


def remembered(reviews: Reviews, account: str) -> list[Any]:
    found: list[Any] = reviews.json("memory", "timeline", account)["items"]
    return found


def reviewed(reviews: Reviews, account: str) -> dict[str, Any]:
    """A review that was approved, is closed, and is remembered."""
    request = reviews.request(account)
    reviews.json("approvals", "approve", request["request_id"], "--as", "ann")
    closed: dict[str, Any] = reviews.closed(account)
    reviews.until("memory", "timeline", account, holds=lambda page: page["items"])
    return closed


async def note_a_lost_write(engine: AsyncEngine, account: str) -> None:
    """Its worker was killed, and the CRM knows nothing of it: another one is used by now."""
    lost = change(Action.ADD_NOTE, {"content": "Amber Ledger Works called"})
    lost = lost.model_copy(update={"account_id": account})
    async with (ledger := OperationLedger(engine)).transaction() as connection:
        await ledger.begin(connection, Intent("lost", "default", lost, None), lease_seconds=0)


async def test_an_account_is_forgotten_everywhere_but_in_the_crm(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    archived = reviewed(reviews, "ac-017")
    await asyncio.sleep(1.1)
    assert reviews.json("purge", "--older-than", "1s", "--as", "olga")["removed"] == 1
    second = reviews.json("start", "ac-017", "--wait", "closed")
    reviews.json("cycles", "start", "--accounts", "ac-017", "--accounts", "ac-031", "--watch")
    reviews.json("digest", "--owner", "ow-5")
    counted = reviews.json("forget", "--account", "ac-017", "--dry-run", *WHO)
    assert counted["dry_run"]
    assert counted["counts"]["archives"] >= 1
    assert await where(stack_engine, "Amber Ledger Works")
    await note_a_lost_write(stack_engine, "ac-017")
    done = reviews.json("forget", "--account", "ac-017", *WHO)
    assert done["cancelled"] == []
    assert any("whether 1 write reached the CRM is not known" in one for one in done["not_erased"])
    for place in ("reviews", "archives", "memory", "histories", "documents", "cycle_accounts"):
        assert done["counts"][place] >= 1, place
    assert done["counts"]["baselines"] == 1
    assert await where(stack_engine, "Amber Ledger Works") == []
    assert remembered(reviews, "ac-017") == []
    for run_id in (archived["run_id"], second["run_id"]):
        said = reviews.quick("show", "ac-017", "--run", run_id).sentence(3)
        assert "was erased on" in said
    await listed_no_more(stack, "review/ac-017")
    assert reviews.json("db", "rebuild")["failed"] == []
    assert [one["account_id"] for one in reviews.json("list", "--account", "ac-017")["items"]] == []
    (erasure,) = await rows(stack_engine, "select * from reviews.erasures")
    assert (erasure["kind"], erasure["by"], erasure["counts"]["baselines"]) == ("account", "dpo", 1)
    assert "ac-017" not in json.dumps(erasure, default=str)
    (entry,) = await rows(stack_engine, ENTRIES, kind="forget account")
    assert entry["actor"] == "dpo"
    assert entry["counts"]["archives"] >= 1
    verified = reviews.quick("audit", "verify", "-o", "json")
    assert verified.code == 0, verified.out
    assert reviews.quick("crm", "ping").code == 0
    again = reviews.json("start", "ac-017", "--wait")
    shown = reviews.json("show", "ac-017", "--run", again["run_id"])
    assert shown["risk"]["previous"] is None, "it is the first review again"
    reviews.quick("cancel", "ac-017", "--as", "ann")


ENTRIES = """
select actor, details->'counts' as counts, details::text as details from audit.audit_events
where event_type = 'data_erased' and action = :kind
union all
select body->>'actor', body->'details'->'counts', body->>'details' from reviews.audit_outbox
where body->>'event_type' = 'data_erased' and body->>'action' = :kind
"""
OTIS = ("Otis Castellane", "otis.castellane@pewter-optics.example")


async def test_a_person_is_forgotten_and_the_account_stays(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    note = f"talk to {OTIS[0].upper()} first"
    request = reviews.request("ac-048")
    reviews.json("approvals", "defer", request["request_id"], "--as", "ann", "--reason", note)
    closed = reviews.closed("ac-048")
    waiting = reviews.request("ac-048")
    for words in OTIS:
        assert await where(stack_engine, words)
    told = reviews.quick("forget", "--person", OTIS[1], *WHO).sentence(4)
    assert "(ac-048) is open, so nothing was erased" in told
    assert "--cancel" in told
    assert await where(stack_engine, OTIS[1])
    done = reviews.json("forget", "--person", OTIS[1], "--cancel", *WHO)
    assert done["cancelled"] == ["review/ac-048"]
    assert done["counts"]["documents"] >= 1
    assert done["counts"]["reviews"] >= 1
    for words in OTIS:
        assert await where(stack_engine, words) == []
    shown = reviews.json("show", "ac-048", "--run", closed["run_id"])
    assert shown["account_name"] == "Pewter Optics"
    assert "talk to (erased) first" in json.dumps(shown)
    report = reviews.json("db", "rebuild")
    assert report["failed"] == []
    for words in OTIS:
        assert await where(stack_engine, words) == []
    (entry,) = await rows(stack_engine, ENTRIES, kind="forget person")
    assert "tis" not in entry["details"]
    verified = reviews.quick("audit", "verify", "-o", "json")
    assert verified.code == 0, verified.out
    again = reviews.json("forget", "--person", OTIS[1], *WHO)
    assert again["total"] == 0
    assert waiting["request_id"] != request["request_id"]


async def test_forgetting_that_is_killed_is_finished_by_the_next(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    reviewed(reviews, "ac-044")
    name = reviews.json("show", "ac-044")["account_name"]
    unfinished = "select * from reviews.erasures where ended_at is null"
    process = reviews.begin("forget", "--account", "ac-044", *WHO)
    while process.poll() is None:
        if await rows(stack_engine, unfinished):
            process.kill()
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was done before it was killed"
    (begun,) = await rows(stack_engine, unfinished)
    done = reviews.json("forget", "--account", "ac-044", *WHO)
    assert done["erasure_id"] == begun["erasure_id"]
    assert done["counts"]["reviews"] == 1
    assert await where(stack_engine, name) == []
    assert await rows(stack_engine, unfinished) == []
    assert reviews.quick("audit", "verify").code == 0


WAITS = """
select 1 from pg_locks where relation = 'reviews.memory_items'::regclass and not granted
"""


async def closed_with_a_name(
    reviews: Reviews, engine: AsyncEngine, account: str
) -> tuple[str, dict[str, Any]]:
    """A contact of the account, and its review that has ended, whose history names the contact."""
    query = "select name from crm.contacts where account_id = :account"
    name = str((await rows(engine, query, account=account))[0]["name"])
    request = reviews.request(account)
    reviews.json("approvals", "defer", request["request_id"], "--as", "ann", "--reason", name)
    return name, reviews.closed(account)


async def test_a_person_whose_erasure_is_killed_is_found_again(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    """What leads to histories and to the memory is there until these are erased."""
    name, _ = await closed_with_a_name(reviews, stack_engine, "ac-046")
    async with stack_engine.connect() as connection:
        await connection.exec_driver_sql("lock table reviews.memory_items in exclusive mode")
        process = reviews.begin("forget", "--person", name, *WHO)
        await until(lambda: rows(stack_engine, WAITS), bool)
        process.kill()
        process.communicate()
    done = reviews.json("forget", "--person", name, *WHO)
    assert done["counts"].get("histories") == 1
    assert await where(stack_engine, name) == []
    await listed_no_more(stack, "review/ac-046")


class BehindInterceptor(Interceptor):
    """Temporal's list knows of no execution yet."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Behind(next)


class _Behind(OutboundInterceptor):
    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
        return super().list_workflows(replace(input, query="WorkflowId = 'none'"))


async def test_what_has_ended_is_forgotten_before_it_is_listed(
    reviews: Reviews, stack: LocalStack, stack_engine: AsyncEngine
) -> None:
    name, closed = await closed_with_a_name(reviews, stack_engine, "ac-041")
    behind = await Client.connect(stack.address, interceptors=[BehindInterceptor()])
    assert [found async for found in behind.list_workflows()] == []
    here = Settings.load(data_dir=stack.data_dir, database_url=stack.database_url)
    async with open_parts(here, application="tests") as parts:
        wish = Wish(kind=ErasureKind.PERSON, key=name, by="dpo", reason="art. 17")
        done = await forget(parts, behind, wish)
    assert done.counts["histories"] == 1
    handle = behind.get_workflow_handle("review/ac-041", run_id=closed["run_id"])
    await until(lambda: is_gone(handle))


async def test_who_forgets_while_nobody_seals_is_told_what_verify_will_find(
    reviews: Reviews, stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed(reviews, "ac-042")

    async def in_vain(engine: AsyncEngine, runs: Sequence[str]) -> bool:
        assert len(runs) == 1
        return False

    monkeypatch.setattr(forgetting, "wait_until_sealed", in_vain)
    client = await Client.connect(stack.address)
    here = Settings.load(data_dir=stack.data_dir, database_url=stack.database_url)
    async with open_parts(here, application="tests") as parts:
        wish = Wish(kind=ErasureKind.ACCOUNT, key="ac-042", by="dpo", reason="art. 17")
        done = await forget(parts, client, wish)
    assert done.counts["histories"] == 1
    assert any("no worker has sealed" in one for one in done.not_erased)


async def is_gone(handle: WorkflowHandle[Any, Any]) -> bool:
    try:
        await handle.describe()
    except RPCError as error:
        return error.status is RPCStatusCode.NOT_FOUND
    return False


def test_nobody_and_nothing_are_zeros(reviews: Reviews) -> None:
    for words, says in (
        (("--account", "nope"), "no account 'nope'"),
        (("--account", "Birch"), "did you mean"),
        (("--person", "Nobody Atall"), "a name counts as a whole"),
    ):
        done = reviews.json("forget", *words, *WHO)
        assert set(done["counts"].values()) == {0}
        assert done["total"] == 0
        told = reviews.quick("forget", *words, *WHO)
        assert (told.code, "there is nothing of this" in told.out) == (0, True)
        assert says in told.err
    assert "give the id" in reviews.quick("forget", "--account", "ac-04", *WHO).sentence(2)


async def test_an_account_is_forgotten_by_its_name(
    reviews: Reviews, stack_engine: AsyncEngine, tmp_path: Path
) -> None:
    reviewed(reviews, "ac-036")
    name = reviews.json("show", "ac-036")["account_name"]
    policy = tmp_path / "policy.toml"
    policy.write_text('[retention]\nlegal_hold = ["ac-036"]\n', encoding="utf-8")
    held = {"REVIEWS_POLICY_FILE": str(policy)}
    said = reviews.quick("forget", "--account", name, *WHO, **held).sentence(1)
    assert "ac-036" in said
    assert "is under a legal hold" in said
    by_name = reviews.json("forget", "--account", name.upper(), "--dry-run", *WHO)
    assert by_name == reviews.json("forget", "--account", "ac-036", "--dry-run", *WHO)
    assert reviews.json("forget", "--account", name, *WHO)["counts"]["reviews"] == 1
    assert await where(stack_engine, name) == []
    for again in (name, "ac-036"):  # Temporal's list of histories lags behind
        reviews.until("forget", "--account", again, *WHO, holds=lambda one: one["total"] == 0)


async def test_what_is_gone_from_the_crm_is_forgotten_by_its_id(
    reviews: Reviews, stack_engine: AsyncEngine
) -> None:
    reviewed(reviews, "ac-038")
    async with stack_engine.begin() as connection:
        gone = await connection.exec_driver_sql("delete from crm.accounts where id = 'ac-038'")
        assert gone.rowcount == 1
    assert reviews.json("forget", "--account", "ac-038", *WHO)["counts"]["reviews"] == 1
    # It was forgotten before, so nothing is wrong with there being nothing.
    reviews.until("forget", "--account", "ac-038", *WHO, holds=lambda one: one["total"] == 0)


def test_what_cannot_be_meant_is_refused_in_one_sentence(reviews: Reviews, tmp_path: Path) -> None:
    for words, says in (
        (("--account", "a", "--person", "Ann Lee"), "either --account or --person"),
        ((), "either --account or --person"),
        (("--person", "al"), "nobody can be found by 'al'"),
        (("--person", " "), "nobody can be found by"),
        (("--account", " "), "no account id"),
        (("--account", "a", "--also", "Ann Lee"), "--also"),
    ):
        assert says in reviews.quick("forget", *words, *WHO).sentence(2)
    assert "--as" in reviews.quick("forget", "--account", "a", "--reason", "x").sentence(2)
    assert "--reason" in reviews.quick("forget", "--account", "a", "--as", "dpo").sentence(2)
    assert "--as is empty" in reviews.quick(
        "forget", "--account", "a", "--as", " ", "--reason", "x"
    ).sentence(2)
    policy = tmp_path / "policy.toml"
    policy.write_text('[retention]\nlegal_hold = ["ac-044"]\n', encoding="utf-8")
    held = {"REVIEWS_POLICY_FILE": str(policy)}
    said = reviews.quick("forget", "--account", "ac-044", *WHO, **held).sentence(1)
    assert "account ac-044 is under a legal hold" in said


def test_roles_say_who_may_forget_and_who_may_purge(reviews: Reviews, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    users = '"dpo" = ["admin"]\n"olga" = ["operator"]\n"ann" = ["approver"]\n'
    policy.write_text(f"[access.users]\n{users}", encoding="utf-8")
    env = {"REVIEWS_POLICY_FILE": str(policy)}
    for name in ("olga", "ann", "stranger"):
        words = ("forget", "--account", "nope", "--as", name, "--reason", "x")
        assert name in reviews.quick(*words, **env).sentence(1)
    for name in ("ann", "stranger"):
        assert name in reviews.quick("purge", "--dry-run", "--as", name, **env).sentence(1)
    assert reviews.quick("purge", "--dry-run", "--as", "olga", **env).code == 0
    assert reviews.quick("forget", "--account", "nope", *WHO, **env).code == 0
