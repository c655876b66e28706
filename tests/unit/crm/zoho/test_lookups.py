"""Writes to Zoho CRM of which nobody heard: found again, and never made twice."""

import pytest

from account_reviews.domain.errors import CrmOutcomeUnknownError, CrmUnavailableError
from tests.support.zoho_crm import stage
from tests.support.zoho_writing import (
    OPERATION,
    account_of,
    apply,
    begun,
    fault,
    note,
    phone,
    task,
)


@pytest.mark.parametrize("kind", ["note", "task"])
async def test_a_create_that_commits_after_the_connection_broke(kind: str) -> None:
    """It is not written again before it cannot come any more, or cannot come twice."""
    on = stage(fault("commit_late", "POST", delay_ms=1))
    made = note(on) if kind == "note" else task(on)
    with pytest.raises(CrmUnavailableError):
        await apply(on, made)
    if kind == "note":
        with pytest.raises(CrmOutcomeUnknownError) as caught:
            await on.crm.find_operations((begun(on, made),))
        assert caught.value.retry_after == pytest.approx(60, abs=1)
    else:
        assert await on.crm.find_operations((begun(on, made),)) == {}
    await on.app.finish()
    found = await on.crm.find_operations((begun(on, made),))
    assert found[OPERATION].status == "applied"
    module = "Notes" if kind == "note" else "Tasks"
    children = on.org.children(module, "Parent_Id" if kind == "note" else "What_Id", account_of(on))
    assert found[OPERATION].record.id in {row.id for row in children}


async def test_a_create_that_never_came_is_known_after_twice_the_time_out() -> None:
    on = stage(fault("drop_before", "POST"))
    with pytest.raises(CrmUnavailableError):
        await apply(on, note(on))
    with pytest.raises(CrmOutcomeUnknownError) as caught:
        await on.crm.find_operations((begun(on, note(on), ago=45),))
    assert caught.value.retry_after == pytest.approx(15, abs=1)
    assert await on.crm.find_operations((begun(on, note(on), ago=61),)) == {}


async def test_a_lookup_asks_no_search() -> None:
    """The index lags behind what was created."""
    on = stage()
    await apply(on, note(on))
    await apply(on, task(on), operation="run:2")
    on.app.log.lines.clear()
    await on.crm.find_operations((begun(on, note(on)), begun(on, task(on))))
    assert not any("search" in path or "coql" in path for path in on.paths())


async def test_a_change_whose_answer_was_lost() -> None:
    """It stands there, at another version: it was written. Otherwise it may still come."""
    for action, known in (("drop_after", True), ("drop_before", False)):
        on = stage(fault(action, "PUT"))
        made, version = await phone(on)
        with pytest.raises(CrmUnavailableError):
            await apply(on, made, version)
        if known:
            found = await on.crm.find_operations((begun(on, made, version),))
            assert found[OPERATION].current == {"phone": "+99 2"}
            continue
        with pytest.raises(CrmOutcomeUnknownError):
            await on.crm.find_operations((begun(on, made, version),))
        assert await on.crm.find_operations((begun(on, made, version, ago=61),)) == {}
        assert (await apply(on, made, version)).status == "applied"
