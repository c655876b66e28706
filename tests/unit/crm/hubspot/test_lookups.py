"""Writes of which nobody has heard: whether they were made."""

from datetime import UTC, datetime

import pytest

from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmUnavailableError,
    CrmUnreadableError,
)
from tests.support.hubspot import crm_of, make_fake, plan
from tests.support.hubspot_writes import NOTES, first, note, notes_of, operation, phone, write


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"action": "drop_after"}, CrmUnavailableError),
        ({"action": "malformed"}, CrmUnavailableError),
        ({"action": "malformed", "body": {"odd": 1}}, CrmUnreadableError),
        ({"action": "malformed", "body": "<html>"}, CrmUnavailableError),
        ({"action": "commit_late", "delay_ms": 0}, CrmUnavailableError),
    ],
)
@pytest.mark.parametrize("unique", [True, False], ids=["unique", "marked"])
async def test_a_create_whose_answer_says_nothing_is_found(
    fault: dict[str, object], kind: type[CrmError], unique: bool
) -> None:
    app = make_fake({"match": NOTES, **fault}, unique=unique)
    crm = crm_of(app)
    with pytest.raises(kind) as caught:
        await write(crm, note(app))
    assert not isinstance(caught.value, CrmPermissionError | CrmInvalidError)
    await app.finish()
    found = await crm.find_operations((operation(note(app)),))
    assert found["run:1"].record.id in notes_of(app)
    assert found["run:1"].current == {"content": "Hello"}
    assert len(notes_of(app)) == 5


@pytest.mark.parametrize("unique", [True, False], ids=["unique", "marked"])
async def test_a_create_that_was_not_made_is_tried_again_when_that_is_safe(unique: bool) -> None:
    app = make_fake({"match": NOTES, "action": "drop_before", "times": 1}, unique=unique)
    crm = crm_of(app)
    with pytest.raises(CrmUnavailableError):
        await write(crm, note(app))
    if unique:
        assert await crm.find_operations((operation(note(app), tried=1),)) == {}
    else:
        with pytest.raises(CrmOutcomeUnknownError) as caught:
            await crm.find_operations((operation(note(app), tried=1),))
        assert 0 < (caught.value.retry_after or 0) <= 60
        assert await crm.find_operations((operation(note(app)),)) == {}
    assert (await write(crm, note(app))).status == "applied"
    assert len(notes_of(app)) == 5


@pytest.mark.parametrize("committed", [True, False], ids=["made", "not_made"])
async def test_an_update_whose_answer_was_lost_is_known_by_what_stands_there(
    committed: bool,
) -> None:
    app = make_fake()
    crm = crm_of(app)
    update, version = await phone(app, crm)
    action = "drop_after" if committed else "drop_before"
    app.faults.set_plan(plan({"match": {"method": "PATCH"}, "action": action}))
    with pytest.raises(CrmUnavailableError):
        await write(crm, update, version)
    if committed:
        found = await crm.find_operations((operation(update, version, tried=1),))
        assert found["run:1"].current == {"phone": "42"}
        assert found["run:1"].before == {"phone": "+1 555 0000000"}
        assert found["run:1"].applied_at is not None
    else:
        with pytest.raises(CrmOutcomeUnknownError):
            await crm.find_operations((operation(update, version, tried=1),))
        assert await crm.find_operations((operation(update, version),)) == {}


async def test_an_update_that_somebody_wrote_over_is_known_by_its_history() -> None:
    app = make_fake()
    crm = crm_of(app)
    update, version = await phone(app, crm)
    app.faults.set_plan(plan({"match": {"method": "PATCH"}, "action": "drop_after"}))
    with pytest.raises(CrmUnavailableError):
        await write(crm, update, version)
    company = app.state.find("companies", first(app))
    app.state.update(company, {"phone": "somebody's"}, datetime.now(UTC))
    found = await crm.find_operations((operation(update, version, tried=1),))
    assert found["run:1"].current == {"phone": "somebody's"}
