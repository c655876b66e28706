"""Writes to a CRM that knows no operation ids: noted before the call, looked up, made once."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.crm import writer as module
from account_reviews.crm.writer import NOTHING_WRITTEN, CrmWriter
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
    CrmUnreadableError,
    UnreachableError,
)
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import sample
from tests.support.crm_writing import writer_of
from tests.support.forgetful_crm import Fate, ForgetfulCrm
from tests.support.waiting import until

TENANT = "acme"
NOTE = change(Action.ADD_NOTE, {"content": "written by a test"})
PHONE = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)


@pytest.fixture
def crm() -> ForgetfulCrm:
    return ForgetfulCrm([sample()]).start()


@pytest.fixture
def operation() -> str:
    return f"{uuid4()}:change"


@pytest.fixture
def ledger(engine: AsyncEngine) -> OperationLedger:
    return OperationLedger(engine)


@pytest.fixture
def writer(crm: ForgetfulCrm, engine: AsyncEngine) -> CrmWriter:
    return writer_of(crm, engine)


async def write(
    writer: CrmWriter, operation: str, what: ProposedChange = NOTE, version: str | None = None
) -> ApplyResult:
    return await writer.apply(what, tenant=TENANT, expected_version=version, operation_id=operation)


async def row(engine: AsyncEngine, operation: str) -> Any:
    query = text("select * from reviews.crm_operations where operation_id = :id")
    async with engine.connect() as connection:
        return (await connection.execute(query, {"id": operation})).one()


async def die(ledger: OperationLedger, operation: str, seconds: float = 45.0) -> None:
    """A worker noted its intent, and was killed before or in the call."""
    async with ledger.transaction() as connection:
        intent = Intent(operation, TENANT, NOTE, None)
        await ledger.begin(connection, intent, lease_seconds=seconds)


async def let_the_lease_run_out(engine: AsyncEngine, operation: str) -> None:
    query = "update reviews.crm_operations set lease_until = now() where operation_id = :id"
    async with engine.begin() as connection:
        await connection.execute(text(query), {"id": operation})


async def test_the_intent_stands_before_the_call_and_the_outcome_after_it(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str
) -> None:
    apply, seen = crm.apply, list[Any]()

    async def looking(*args: Any, **options: Any) -> ApplyResult:
        seen.append(await row(engine, operation))
        return await apply(*args, **options)

    crm.apply = looking  # type: ignore[method-assign]
    done = await write(writer, operation)
    (before,), after = seen, await row(engine, operation)
    assert (before.settled_at, before.result, before.tries) == (None, None, 1)
    assert before.lease_until > before.begun_at
    assert ProposedChange.model_validate(before.change) == NOTE
    assert (after.tenant, after.account_id, after.action) == (TENANT, "ac-1", "add_note")
    assert (after.applied_at, after.lease_until) == (done.applied_at, None)
    assert ApplyResult.model_validate(after.result) == done
    again = await write(writer, operation)
    assert again == done.model_copy(update={"status": "already_applied"})
    assert (crm.sent, crm.asked) == ([operation], [])


@pytest.mark.parametrize("fate", ["lost before", "lost after"])
async def test_a_lost_answer_is_looked_up_before_it_is_written_again(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str, fate: Fate
) -> None:
    crm.fates = [fate]
    with pytest.raises(CrmUnavailableError):
        await write(writer, operation)
    left = await row(engine, operation)
    assert (left.settled_at, left.lease_until) == (None, None)
    done = await write(writer, operation)
    assert done.status == ("applied" if fate == "lost before" else "already_applied")
    assert (crm.committed, crm.asked) == ([operation], [operation])
    assert (await row(engine, operation)).tries == (2 if fate == "lost before" else 1)


async def test_what_may_still_be_written_is_not_written_again(
    crm: ForgetfulCrm, writer: CrmWriter, ledger: OperationLedger, operation: str
) -> None:
    crm.fates = ["late"]
    with pytest.raises(CrmUnavailableError):
        await write(writer, operation)
    for _ in range(2):
        with pytest.raises(CrmOutcomeUnknownError) as error:
            await write(writer, operation)
        assert error.value.retry_after == 7.0
    assert (await ledger.standing(TENANT)).unknown >= 1
    await crm.commit_late()
    assert (await write(writer, operation)).status == "already_applied"
    assert (crm.sent, crm.committed) == ([operation], [operation])


async def test_a_try_under_way_is_waited_for_and_that_of_a_killed_worker_until_its_lease_is_over(
    crm: ForgetfulCrm,
    writer: CrmWriter,
    engine: AsyncEngine,
    ledger: OperationLedger,
    operation: str,
) -> None:
    await die(ledger, operation)
    for ask in (write(writer, operation), writer.find(TENANT, [operation])):
        with pytest.raises(CrmOutcomeUnknownError) as error:
            await ask
        assert error.value.retry_after is not None
        assert 0 < error.value.retry_after <= 45
    assert (crm.sent, crm.asked) == ([], [])
    await let_the_lease_run_out(engine, operation)
    assert (await write(writer, operation)).status == "applied"
    assert (crm.committed, crm.asked) == ([operation], [operation])


async def test_many_tries_at_once_write_once(
    crm: ForgetfulCrm, engine: AsyncEngine, operation: str
) -> None:
    writers = [writer_of(crm, engine) for _ in range(8)]
    tries = (write(one, operation) for one in writers)
    found = await asyncio.gather(*tries, return_exceptions=True)
    for one in found:
        assert isinstance(one, ApplyResult | CrmOutcomeUnknownError), one
    assert crm.committed == [operation]


@pytest.mark.parametrize(
    "error",
    [
        CrmAuthError(),
        CrmPermissionError(),
        CrmRecordNotFoundError(),
        CrmInvalidError(field="phone"),
        CrmRateLimitedError(retry_after=30),
    ],
)
async def test_a_refusal_says_that_nothing_was_written(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str, error: CrmError
) -> None:
    assert isinstance(error, NOTHING_WRITTEN)
    crm.refuses = error
    with pytest.raises(type(error)):
        await write(writer, operation)
    settled = await row(engine, operation)
    assert (settled.settled_at is not None, settled.result) == (True, None)
    assert await writer.find(TENANT, [operation]) == {}
    crm.refuses = None
    assert (await write(writer, operation)).status == "applied"
    assert crm.asked == []


async def test_an_answer_that_makes_no_sense_is_no_refusal(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str
) -> None:
    crm.refuses = CrmUnreadableError()
    with pytest.raises(CrmUnreadableError):
        await write(writer, operation)
    assert (await row(engine, operation)).settled_at is None
    assert await writer.find(TENANT, [operation]) == {}
    assert crm.asked == [operation]
    assert (await row(engine, operation)).settled_at is not None


async def test_a_conflict_wrote_nothing_and_the_check_is_told(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str
) -> None:
    assert (await write(writer, operation, PHONE, "no such")).status == "conflict"
    assert (await row(engine, operation)).result is None
    done = await write(writer, operation, PHONE, "3")
    assert (done.status, done.version_check) == ("applied", "compared")
    crm.atomic = True
    third = await write(writer, f"{operation}2", PHONE, done.record.version)
    assert third.version_check == "atomic"
    assert (await write(writer, f"{operation}3")).version_check is None
    assert (await row(engine, operation)).result["version_check"] == "compared"


async def test_a_look_up_settles_what_it_finds(
    crm: ForgetfulCrm, writer: CrmWriter, engine: AsyncEngine, operation: str
) -> None:
    written, lost, never = (f"{operation}{name}" for name in ("w", "l", "n"))
    crm.fates = ["lost after", "lost before"]
    for one in (written, lost):
        with pytest.raises(CrmUnavailableError):
            await write(writer, one)
    for asked in (2, 2):  # the second time nobody is asked
        found = await writer.find(TENANT, [written, lost, never])
        assert (list(found), len(crm.asked)) == ([written], asked)
    assert (await row(engine, written)).applied_at == found[written].applied_at
    assert await writer.find("somebody-else", [written]) == {}


async def test_the_lease_is_renewed_while_the_call_goes_on(
    crm: ForgetfulCrm,
    writer: CrmWriter,
    engine: AsyncEngine,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_RENEW_SECONDS", 0.01)
    apply = crm.apply

    async def slow(*args: Any, **options: Any) -> ApplyResult:
        first = (await row(engine, operation)).lease_until

        async def renewed() -> bool:
            return bool((await row(engine, operation)).lease_until != first)

        await until(renewed)
        return await apply(*args, **options)

    crm.apply = slow  # type: ignore[method-assign]
    assert (await write(writer, operation)).status == "applied"


async def test_a_call_ends_before_a_lease_that_cannot_be_renewed(
    crm: ForgetfulCrm,
    writer: CrmWriter,
    ledger: OperationLedger,
    operation: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else another worker could write while this one still does."""
    monkeypatch.setattr(module, "_RENEW_SECONDS", 0.01)
    monkeypatch.setattr(module, "LEASE_SECONDS", 5.2)

    async def away(*_: Any, **__: Any) -> None:
        raise UnreachableError

    async def for_ever(*_: Any, **__: Any) -> ApplyResult:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(OperationLedger, "renew", away)
    crm.apply = for_ever  # type: ignore[method-assign]
    with pytest.raises(CrmUnavailableError, match="could not be noted"):
        await write(writer, operation)
    assert [one.operation_id for one in (await ledger.read(TENANT, [operation])).open] == [
        operation
    ]
