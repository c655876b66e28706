"""Approved writes while everything goes wrong: none lost, none made twice, none blind."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from account_reviews.crm.hubspot.backend import HubSpotCrm
from account_reviews.crm.writer import NOTHING_WRITTEN
from account_reviews.domain.errors import (
    CrmError,
    CrmOutcomeUnknownError,
    CrmRateLimitedError,
    CrmUnavailableError,
)
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordRef, RecordType
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.fakes.framework import FakeApp
from tests.support.crm import change
from tests.support.hubspot import crm_of, make_fake, plan

WRITES = 120
WRONG: list[dict[str, Any]] = [
    {"match": {"method": "POST", "path": path}, "probability": 0.1, "action": action}
    for path in ("*/notes", "*/tasks")
    for action in ("drop_before", "drop_after", "malformed")
] + [
    {"match": {"method": "PATCH"}, "probability": 0.1, "action": "drop_after"},
    {"match": {"method": "PATCH"}, "probability": 0.1, "action": "drop_before"},
    {"match": {"path": "/crm/objects/*"}, "probability": 0.05, "action": "status", "status": 503},
    {"match": {"path": "/crm/objects/*"}, "probability": 0.05, "action": "status", "status": 423},
    {"match": {"path": "/crm/objects/*"}, "probability": 0.03, "action": "malformed"},
]


def made(app: FakeApp) -> list[tuple[ProposedChange, str]]:
    """Notes, tasks and updates of companies, each of its own content; with the field they are
    known by."""
    companies = list(app.state.objects["companies"])
    found: list[tuple[ProposedChange, str]] = []
    for n in range(WRITES):
        account, text = companies[n % len(companies)], f"write {n}"
        if n % 3 == 0:
            wanted = change(Action.ADD_NOTE, {"content": text}, None, account_id=account)
        elif n % 3 == 1:
            wanted = change(Action.CREATE_TASK, {"subject": text}, None, account_id=account)
        else:
            ref = RecordRef(type=RecordType.ACCOUNT, id=account)
            wanted = change(Action.UPDATE_ACCOUNT, {"phone": text}, ref, account_id=account)
        found.append((wanted, text))
    return found


async def written(crm: HubSpotCrm, wanted: ProposedChange, operation_id: str) -> ApplyResult:
    """As whoever writes does it: looks an unknown try up before the next."""
    unknown: Operation | None = None
    while True:
        try:
            if unknown is not None:
                found = await crm.find_operations((unknown,))
                if operation_id in found:
                    return found[operation_id]
            return await crm.apply(wanted, expected_version=None, operation_id=operation_id)
        except (CrmRateLimitedError, CrmOutcomeUnknownError):
            continue
        except NOTHING_WRITTEN:
            raise
        except CrmError:
            at = datetime.now(UTC)
            unknown = Operation(
                operation_id=operation_id, tenant="default", change=wanted, begun_at=at, tried_at=at
            )


@pytest.mark.parametrize("unique", [True, False], ids=["unique", "marked"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_each_write_is_made_once(unique: bool, seed: int) -> None:
    bare = {"contacts": 0, "deals": 0, "activities": 0, "notes": 0, "tasks": 0}
    app = make_fake(accounts=40, unique=unique, **bare)
    crm = crm_of(app, failures=10**6, settled=timedelta(0))
    app.faults.set_plan(plan(*WRONG).model_copy(update={"seed": seed}))
    for n, (wanted, _) in enumerate(made(app)):
        done = await written(crm, wanted, f"run:{n}")
        assert done.record.id
    bodies = Counter(
        one.properties["hs_note_body"].partition("<br>")[0]
        for one in app.state.objects["notes"].values()
    )
    subjects = Counter(
        one.properties["hs_task_subject"] for one in app.state.objects["tasks"].values()
    )
    phones = Counter(
        entry["value"]
        for one in app.state.objects["companies"].values()
        for entry in one.history["phone"]
        if entry["value"].startswith("write")
    )
    texts = {text for _, text in made(app)}
    assert bodies + subjects + phones == Counter(texts)
    assert any(line.fault == "drop_after" for line in app.log.lines)


async def test_an_outage_before_a_write_says_that_nothing_was_sent() -> None:
    app = make_fake({"match": {"path": "*/batch/read"}, "action": "drop_before"})
    account = next(iter(app.state.objects["companies"]))
    ref = RecordRef(type=RecordType.ACCOUNT, id=account)
    update = change(Action.UPDATE_ACCOUNT, {"phone": "1"}, ref, account_id=account)
    with pytest.raises(CrmUnavailableError) as caught:
        await crm_of(app).apply(update, expected_version=None, operation_id="run:1")
    assert not caught.value.sent
