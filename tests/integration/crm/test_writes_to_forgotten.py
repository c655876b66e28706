"""An account is forgotten while nobody knows what came of a write to it."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.domain.erasure import Subject
from account_reviews.domain.errors import ConflictError, CrmUnavailableError
from account_reviews.domain.proposals import Action
from account_reviews.store.account_erasure import AccountErasure
from account_reviews.store.operation_rows import Intent
from account_reviews.store.operations import OperationLedger
from account_reviews.store.person_erasure import PersonErasure
from tests.support.crm import change
from tests.support.crm_loading import sample
from tests.support.crm_writing import writer_of
from tests.support.forgetful_crm import ForgetfulCrm

NOTE = change(Action.ADD_NOTE, {"content": "written by a test"})


@pytest.fixture
def tenant() -> str:
    return f"t-{uuid4().hex[:8]}"


@pytest.fixture
def operation() -> str:
    return f"{uuid4()}:change"


async def test_a_lost_write_to_a_forgotten_account_is_neither_repeated_nor_called_unwritten(
    engine: AsyncEngine, tenant: str, operation: str
) -> None:
    crm = ForgetfulCrm([sample()]).start()
    writer, ledger = writer_of(crm, engine), OperationLedger(engine)

    async def write() -> object:
        return await writer.apply(
            NOTE, tenant=tenant, expected_version=None, operation_id=operation
        )

    crm.fates = ["lost after"]
    with pytest.raises(CrmUnavailableError):
        await write()
    assert await ledger.open_of(tenant, NOTE.account_id) == [operation]
    gone = await AccountErasure(engine, tenant, NOTE.account_id).erase("e-1")
    assert gone["writes"] == 1
    assert await ledger.open_of(tenant, NOTE.account_id) == []
    assert await ledger.standing(tenant) == (0, 0)
    with pytest.raises(ConflictError, match="forgotten"):
        await write()
    with pytest.raises(ConflictError, match="forgotten"):
        await writer.find(tenant, [operation])
    assert crm.committed == [operation]


async def test_an_account_is_not_forgotten_while_it_is_written_to(
    engine: AsyncEngine, tenant: str, operation: str
) -> None:
    ledger, erasure = OperationLedger(engine), AccountErasure(engine, tenant, NOTE.account_id)
    async with ledger.transaction() as connection:
        await ledger.begin(connection, Intent(operation, tenant, NOTE, None), lease_seconds=60)
    with pytest.raises(ConflictError, match="under way"):
        await erasure.erase("e-1")
    await ledger.settle(operation, None)
    assert (await erasure.erase("e-1"))["writes"] == 1


async def test_a_person_who_is_forgotten_takes_no_write_out_of_the_ledger(
    engine: AsyncEngine, tenant: str, operation: str
) -> None:
    crm = ForgetfulCrm([sample()]).start()
    writer, ledger = writer_of(crm, engine), OperationLedger(engine)
    crm.fates = ["lost after"]
    with pytest.raises(CrmUnavailableError):
        await writer.apply(NOTE, tenant=tenant, expected_version=None, operation_id=operation)
    subject = Subject(names=("written by a test",))
    await PersonErasure(engine, tenant, subject).erase("dpo", datetime.now(UTC))
    assert (await ledger.standing(tenant)).unknown == 1
    assert operation in await writer.find(tenant, [operation])
    assert (await ledger.standing(tenant)).unknown == 0
