"""Writes to a fake HubSpot, and the operations that they are looked up by."""

from datetime import UTC, datetime, timedelta

from account_reviews.crm.hubspot.backend import HubSpotCrm
from account_reviews.domain.base import Scalar
from account_reviews.domain.operations import Operation
from account_reviews.domain.proposals import Action, ProposedChange
from account_reviews.domain.records import RecordRef, RecordType, SnapshotLimits
from account_reviews.domain.review.steps import ApplyResult
from account_reviews.fakes.framework import FakeApp
from tests.support.crm import change

NOTES = {"path": "/crm/objects/2026-09/notes"}


def first(app: FakeApp, kind: str = "companies") -> str:
    return str(next(iter(app.state.objects[kind])))


def note(app: FakeApp, **after: Scalar) -> ProposedChange:
    return change(Action.ADD_NOTE, {"content": "Hello", **after}, None, account_id=first(app))


async def phone(app: FakeApp, crm: HubSpotCrm, value: str = "42") -> tuple[ProposedChange, str]:
    account = first(app)
    found = await crm.snapshot(account, as_of=datetime.now(UTC), limits=SnapshotLimits())
    version = found.account.version
    ref = RecordRef(type=RecordType.ACCOUNT, id=account, version=version)
    update = change(Action.UPDATE_ACCOUNT, {"phone": value}, ref, account_id=account)
    return update.model_copy(update={"before": {"phone": found.account.phone}}), version


async def write(
    crm: HubSpotCrm, wanted: ProposedChange, version: str | None = None, operation: str = "run:1"
) -> ApplyResult:
    return await crm.apply(wanted, expected_version=version, operation_id=operation)


def operation(
    wanted: ProposedChange, version: str | None = None, *, tried: float = 3600, name: str = "run:1"
) -> Operation:
    """That write, tried so many seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=tried)
    return Operation(
        operation_id=name, tenant="default", change=wanted, expected_version=version,
        begun_at=at, tried_at=at,
    )  # fmt: skip


def notes_of(app: FakeApp) -> list[str]:
    return list(app.state.associated("companies", first(app), "notes"))
