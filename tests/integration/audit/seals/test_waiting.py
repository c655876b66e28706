"""A history goes when a seal covers its rows: until then nothing else proves them."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.audit.seals.faults import Kind
from account_reviews.audit.seals.waiting import wait_until_sealed
from account_reviews.audit.verify.completeness import add_completeness
from account_reviews.domain.audit.redaction import Rules
from bench.tampering import event
from tests.support.sealed_trail import Sealed, fresh

RUNS = [str(event(1, review).run_id) for review in (0, 1)]


@pytest.fixture
async def trail(engine: AsyncEngine, tmp_path: Path) -> Sealed:
    return await fresh(engine, tmp_path)


async def test_it_waits_for_the_last_row_of_each_run(trail: Sealed) -> None:
    assert await wait_until_sealed(trail.engine, RUNS, 0), "there is none of them"
    await trail.add(1, 2)
    assert not await wait_until_sealed(trail.engine, RUNS, 0)
    await trail.sealer().seal_all()
    assert await wait_until_sealed(trail.engine, RUNS, 0)
    await trail.add(1, review=1)
    assert await wait_until_sealed(trail.engine, RUNS[:1], 0)
    assert not await wait_until_sealed(trail.engine, RUNS, 0.3)
    waiting = asyncio.create_task(wait_until_sealed(trail.engine, RUNS))
    await trail.sealer().seal_all()
    assert await waiting


async def test_a_history_that_goes_after_its_seal_is_no_fault(
    trail: Sealed, client: Client
) -> None:
    """Also for a check that began before there was a seal."""
    await trail.add(1, 2)
    report = await trail.verify()
    assert report.unsealed == 2
    await trail.sealer().seal_all()
    await add_completeness(report, client, trail.engine, Rules())
    assert (report.of(Kind.EXTRA), report.histories_gone) == ([], 1)


async def test_rows_of_no_history_are_a_fault_until_they_are_sealed(
    trail: Sealed, client: Client
) -> None:
    await trail.add(1, 2)
    report = await trail.verify()
    await add_completeness(report, client, trail.engine, Rules())
    assert {one.why for one in report.of(Kind.EXTRA)} == {
        "the row is new, but Temporal has no such run"
    }
