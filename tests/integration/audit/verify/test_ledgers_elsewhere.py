"""Writes that releases before noted in a CRM of its own: taken over, recorded, compared."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.capture.outbox_relay import Relay
from account_reviews.audit.verify.recorded_writes import Elsewhere, add_recorded_writes
from account_reviews.audit.verify.scope import Scope
from account_reviews.audit.verify.verifier import Report
from account_reviews.bootstrap import open_parts
from account_reviews.config.settings import Settings
from account_reviews.crm.sql.adoption import adopt_ledger
from account_reviews.crm.sql.backend import SqlCrm
from account_reviews.domain.audit.redaction import DEFAULT
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action
from account_reviews.local.postgres import EmbeddedPostgres
from account_reviews.store.database import create_engine
from account_reviews.store.operations import OperationLedger
from tests.support.crm import ACCOUNT, change
from tests.support.crm_loading import load, sample

PLACE = "localhost:5432/elsewhere"
PHONE = change(Action.UPDATE_ACCOUNT, {"phone": "+99 2"}, ACCOUNT)
LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@pytest.fixture
async def foreign_url(postgres: EmbeddedPostgres, template_database: str) -> str:
    name = f"foreign_{uuid4().hex[:8]}"
    postgres.create_database(name, template=template_database)
    return postgres.url(name)


@pytest.fixture
async def foreign(foreign_url: str) -> AsyncIterator[AsyncEngine]:
    """The CRM of `umbrella`, in another database."""
    engine = create_engine(foreign_url, application_name="tests")
    await load(engine, [sample()])
    yield engine
    await engine.dispose()


@pytest.fixture
async def operation(foreign: AsyncEngine) -> str:
    """A write that an earlier release made there, and noted nowhere else."""
    name = f"{uuid4()}:{PHONE.change_id}"
    crm = SqlCrm(foreign).of("umbrella")
    assert (await crm.apply(PHONE, expected_version="3", operation_id=name)).status == "applied"
    async with foreign.begin() as connection:
        await connection.execute(
            text("update crm.operations set applied_at = :at"), {"at": LONG_AGO}
        )
    return name


async def verified(engine: AsyncEngine, elsewhere: Elsewhere) -> Report:
    report = Report()
    async with engine.connect() as main, engine.connect() as trail:
        await add_recorded_writes(report, main, trail, elsewhere, DEFAULT, Scope())
    return report


async def test_rows_of_before_are_taken_over_recorded_and_compared(
    engine: AsyncEngine, foreign: AsyncEngine, operation: str
) -> None:
    ledger = OperationLedger(engine)
    assert await adopt_ledger(foreign, ledger, tenant="umbrella", place=PLACE)
    assert not await adopt_ledger(foreign, ledger, tenant="umbrella", place=PLACE)
    written = await ledger.written("umbrella", operation)
    assert written is not None
    assert (written.before, written.current) == ({"phone": "+99 1"}, {"phone": "+99 2"})
    while await Relay(engine, engine, DEFAULT, tenant="umbrella").writes():
        pass
    for tenant in ("umbrella", "acme"):
        assert (await verified(engine, Elsewhere(tenant))).faults == []
    await forget(engine, operation)
    # Not taken over yet: whose CRM it is compares it there, others say that they cannot.
    assert (await verified(engine, Elsewhere("umbrella", foreign))).faults == []
    by_another = await verified(engine, Elsewhere("acme"))
    assert by_another.faults == []
    assert any("1 writes of other tenants were noted" in one for one in by_another.warnings)
    (fault,) = (await verified(engine, Elsewhere("umbrella"))).faults
    assert fault.why == "the ledger of operations has no such write"
    assert fault.event_id == f"write/{operation}"
    await ledger.adopt("umbrella", await foreign_rows(foreign))


async def forget(engine: AsyncEngine, operation: str) -> None:
    query = "delete from reviews.crm_operations where operation_id = :id"
    async with engine.begin() as connection:
        await connection.execute(text(query), {"id": operation})


async def foreign_rows(foreign: AsyncEngine) -> list[dict[str, object]]:
    async with foreign.connect() as connection:
        found = await connection.execute(text("select * from crm.operations"))
        return [dict(row) for row in found.mappings()]


async def test_a_worker_takes_over_what_its_crm_has_noted_and_looks_it_up_before(
    engine: AsyncEngine, foreign_url: str, operation: str, database_url: str
) -> None:
    settings = Settings.load(database_url=database_url, crm_url=foreign_url, tenant="umbrella")
    async with open_parts(settings, application="tests") as parts:
        assert [*await parts.writer.find("umbrella", [operation, "run:never"])] == [operation]
        assert await parts.operations.written("umbrella", operation) is None
        await parts.adopt_ledger()
        assert await parts.operations.written("umbrella", operation) is not None
        assert [*await parts.writer.find("umbrella", [operation])] == [operation]
        # A new one is noted in both: there with the write, here before and after it.
        new = f"{uuid4()}:new"
        note = change(Action.ADD_NOTE, {"content": "Hello"})
        done = await parts.writer.apply(
            note, tenant="umbrella", expected_version=None, operation_id=new
        )
        assert await parts.operations.written("umbrella", new) == done
        assert await parts.crm.find_operations([Operation.named(new)]) == {new: done}
