"""Which activities a worker takes."""

import inspect
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from account_reviews.domain.errors import TenantNotServedError
from account_reviews.domain.schedule.runs import RunJob
from account_reviews.temporal.sandbox import activity_methods
from account_reviews.temporal.worker_interceptor import ensure_served, to_application_error
from activities.access import AccessActivities
from activities.analysis import AnalysisActivities
from activities.crm import CrmActivities
from activities.crm_writes import CrmWriteActivities
from activities.cycles import CycleActivities
from activities.halts import HaltActivities
from activities.memory import MemoryActivities
from activities.memory_sync import MemorySyncActivities
from activities.results import ResultActivities
from activities.schedules import ScheduleActivities
from activities.store import StoreActivities
from activities.upkeep import UpkeepActivities

CLASSES = (
    *(
        AccessActivities,
        AnalysisActivities,
        CrmActivities,
        CrmWriteActivities,
        CycleActivities,
        HaltActivities,
        MemoryActivities,
        MemorySyncActivities,
    ),
    *(ResultActivities, ScheduleActivities, StoreActivities, UpkeepActivities),
)
METHODS = [method for each in CLASSES for method in activity_methods(typing.cast("Any", each))]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_every_activity_is_given_its_tenant(method: Callable[..., Any]) -> None:
    name = list(inspect.signature(method).parameters)[-1]
    model = typing.get_type_hints(method)[name]
    nested = (model.model_fields.get(one) for one in ("state", "opening"))
    holders = [model, *(field.annotation for field in nested if field is not None)]
    assert any("tenant" in one.model_fields for one in holders)


@pytest.mark.parametrize(
    ("workflow_id", "given", "tenant"),
    [
        ("review/ac-1", SimpleNamespace(), "default"),
        ("review/acme/ac-1", SimpleNamespace(), "acme"),
        ("review/acme/ac-1", SimpleNamespace(tenant="acme"), "acme"),
        ("review/acme/ac-1", SimpleNamespace(tenant="default"), "acme"),
        ("review/ac-1", SimpleNamespace(tenant="acme"), "acme"),
        ("cycle/x", SimpleNamespace(state=SimpleNamespace(tenant="acme")), "acme"),
        ("upkeep/acme/job-2026-11-01T00:00:00Z", SimpleNamespace(tenant=None), "acme"),
        ("anything", RunJob(job="retention", tenant="acme"), "acme"),
    ],
)
def test_whose_an_activity_is(workflow_id: str, given: object, tenant: str) -> None:
    ensure_served({"default", "acme"}, workflow_id, [given])
    others = {"default", "acme"} - {tenant}
    with pytest.raises(TenantNotServedError, match=f"not the tenant '{tenant}'") as error:
        ensure_served(others, workflow_id, [given])
    assert to_application_error(error.value).non_retryable


def test_what_names_nobody_is_let_in() -> None:
    ensure_served({"acme"}, "anything", [])
