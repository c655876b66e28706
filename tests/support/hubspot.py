"""A HubSpot portal for tests: the fake, and the CRM that asks it without a port."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.config.settings import Settings
from account_reviews.crm.field_mapping import FieldMapping, load_field_mapping, parse_field_mapping
from account_reviews.crm.http.breaker import BreakerRules, LocalBreaker
from account_reviews.crm.http.budget import LocalBudget
from account_reviews.crm.http.client import ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.http.tokens import StaticToken
from account_reviews.crm.hubspot.backend import HubSpotCrm, open_hubspot
from account_reviews.crm.hubspot.client import HubSpotApi
from account_reviews.crm.hubspot.refusals import wait_for
from account_reviews.crm.protocol import CrmBackend
from account_reviews.crm.registry import CrmContext
from account_reviews.domain.records import AccountSnapshot, Owner, Record, RecordType
from account_reviews.fakes.faults import FaultPlan, FaultRule
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.hubspot import create_hubspot
from account_reviews.fakes.hubspot_access import PRIVATE_TOKEN
from account_reviews.fakes.hubspot_records import Records, iso
from tests.support.fakes import FAKE_URL, client_of

ROOMY: Final = {"burst": 100_000, "searches": 100_000}
MAPPING: Final = """
    status: {field: account_status, write: true}
    segment: {field: account_segment, write: true}
    contract_end: {field: contract_end, write: true}
    renewal_date: {field: renewal_date, write: true}
"""
"""What the fake's portal has beyond what HubSpot sets up."""


def full_mapping() -> FieldMapping:
    """The shipped mapping with the free properties of the fake's portal."""
    source = files("account_reviews.crm").joinpath("hubspot", "mapping.yaml")
    document = yaml.safe_load(source.read_text("utf-8"))
    document["modules"][0]["fields"] |= yaml.safe_load(MAPPING)
    return parse_field_mapping(document, "full mapping")


def shipped_mapping() -> FieldMapping:
    return load_field_mapping(None, shipped="hubspot")


def plan(*rules: Mapping[str, object]) -> FaultPlan:
    """Faults, the first that matches wins."""
    return FaultPlan(rules=tuple(FaultRule.model_validate(rule) for rule in rules))


def make_fake(*rules: Mapping[str, object], accounts: int = 3, **extra: Any) -> FakeApp:
    """A portal whose limits nobody meets by accident."""
    options = FakeOptions(faults=plan(*rules), accounts=accounts, extra={**ROOMY, **extra})
    return create_hubspot(options)


def crm_of(
    app: FakeApp,
    mapping: FieldMapping | None = None,
    *,
    token: str = PRIVATE_TOKEN,
    failures: int = 1000,
    settled: timedelta = timedelta(seconds=60),
) -> HubSpotCrm:
    """The CRM as one process has it, without a database. Its breaker all but never opens."""
    http = client_of(app)

    def client(service: str) -> ApiClient:
        return ApiClient(
            service=service,
            tokens=StaticToken(token, FAKE_URL, scheme="Bearer"),
            budget=LocalBudget(Limits("test", concurrency=20)),
            breaker=LocalBreaker(service, BreakerRules(failures=failures)),
            http=http,
            wait=wait_for,
        )

    api = HubSpotApi(client("hubspot"), client("hubspot-search"))
    return HubSpotCrm(api, mapping or full_mapping(), tenant="default", settled=settled)


_TYPES: Final = {
    RecordType.ACCOUNT: "companies",
    RecordType.CONTACT: "contacts",
    RecordType.DEAL: "deals",
    RecordType.NOTE: "notes",
    RecordType.TASK: "tasks",
}


class HubSpotWorld:
    """For the contract suite."""

    def __init__(self) -> None:
        self.app = make_fake(accounts=0)
        self._crm = crm_of(self.app)
        self._ids: dict[str, str] = {}

    @property
    def backend(self) -> CrmBackend:
        return cast("CrmBackend", self._crm)

    async def fill(
        self, snapshots: Iterable[AccountSnapshot], owners: Iterable[Owner]
    ) -> Mapping[str, str]:
        self.app = make_fake(accounts=0)
        self._crm = crm_of(self.app)
        self._ids = {}
        records: Records = self.app.state
        records.owners.clear()
        for n, owner in enumerate(owners):
            self._ids[owner.id] = str(80_000_001 + n)
            first, _, last = owner.name.partition(" ")
            records.owners[self._ids[owner.id]] = {
                "id": self._ids[owner.id], "firstName": first, "lastName": last,
                "email": owner.email, "archived": not owner.active,
                "updatedAt": "2026-01-01T00:00:00Z",
            }  # fmt: skip
        for snapshot in snapshots:
            self._load(records, snapshot)
        return self._ids

    def _load(self, records: Records, snapshot: AccountSnapshot) -> None:
        account = snapshot.account
        self._make(records, "companies", account, (), account.modified_at)
        company = self._ids[account.id]
        before = snapshot.previous_owner
        if before is not None:
            held = records.objects["companies"][company].history["hubspot_owner_id"]
            held[0]["timestamp"] = iso(snapshot.as_of)
            made_at = iso(account.created_at or snapshot.as_of)
            held.append({"value": self._ids[before.id], "timestamp": made_at})
        parent = (("companies", company),)
        for contact in snapshot.contacts:
            self._make(records, "contacts", contact, parent)
        for deal in snapshot.deals:
            self._make(records, "deals", deal, parent)
            made = records.objects["deals"][self._ids[deal.id]]
            made.history["dealstage"] = [
                {"value": _stage(step.stage.value), "timestamp": iso(step.at)}
                for step in reversed(deal.stage_history)
            ]
            if deal.stage_changed_at is not None:
                made.properties["hs_v2_date_entered_current_stage"] = iso(deal.stage_changed_at)
        for activity in snapshot.activities:
            kind = "meetings" if activity.type.value == "Demo" else "calls"
            self._make(records, kind, activity, parent)
        for note in snapshot.notes:
            self._make(records, "notes", note, parent)
        for task in snapshot.tasks:
            self._make(records, "tasks", task, parent)

    def _make(
        self,
        records: Records,
        kind: str,
        record: Record,
        parent: tuple[tuple[str, str], ...],
        changed: datetime | None = None,
    ) -> None:
        at = getattr(record, "created_at", None) or getattr(record, "at", None)
        values = self._values(kind, record)
        owner = values.pop("hubspot_owner_id", None)
        made = records.create(
            kind, values, parent, at or datetime.fromisoformat("2026-01-01T00:00Z")
        )
        if owner is not None:
            made.properties["hubspot_owner_id"] = owner
            made.history["hubspot_owner_id"] = [{"value": owner, "timestamp": iso(made.created)}]
        if getattr(record, "created_at", None) is None:
            made.properties |= {"createdate": "", "hs_createdate": ""}
        if kind == "tasks" and getattr(record, "due_at", None) is None:
            made.properties["hs_timestamp"] = ""
        if changed is not None:
            made.updated = changed
            made.properties["hs_lastmodifieddate"] = iso(changed)
        self._ids[record.id] = made.id

    def _values(self, kind: str, record: Record) -> dict[str, Any]:
        given = record.model_dump(mode="json", exclude_none=True)
        found = {theirs: given[ours] for ours, theirs in _NAMES[kind].items() if ours in given}
        if "owner_id" in given:
            found["hubspot_owner_id"] = self._ids[given["owner_id"]]
        if kind == "deals":
            found["dealstage"] = _stage(given["stage"])
        if "hs_timestamp" not in found and kind in ("notes", "tasks"):
            found["hs_timestamp"] = given.get("created_at", "2026-01-01T00:00:00Z")
        if kind == "tasks":
            found["hs_task_status"] = str(given["status"]).upper().replace(" ", "_")
        if kind == "notes":
            found["hs_note_body"] = (
                str(given["content"]).replace("&", "&amp;").replace("\n", "<br>")
            )
        return found

    async def edit(self, kind: RecordType, record_id: str, **fields: Any) -> None:
        names = _NAMES[_TYPES[kind]]
        record = self.app.state.find(_TYPES[kind], record_id)
        values = {names[name]: value for name, value in fields.items()}
        self.app.state.update(record, values, self.app.options.now())

    async def remove(self, kind: RecordType, record_id: str) -> None:
        self.app.state.remove(_TYPES[kind], record_id)

    async def lose_answer(self, *, committed: bool) -> None:
        action = "drop_after" if committed else "drop_before"
        lost = [
            {"match": {"method": method, "path": path}, "action": action, "times": 1}
            for method, path in (
                ("POST", "/crm/objects/2026-09/notes"),
                ("POST", "/crm/objects/2026-09/tasks"),
                ("PATCH", "*"),
            )
        ]
        self.app.faults.set_plan(plan(*lost))

    async def disconnect(self) -> None:
        self.app.faults.set_plan(plan({"action": "drop_before"}))


_NAMES: Final[dict[str, dict[str, str]]] = {
    "companies": {
        "name": "name", "status": "account_status", "annual_revenue": "annualrevenue",
        "phone": "phone", "contract_end": "contract_end", "segment": "account_segment",
    },
    "contacts": {"name": "firstname", "email": "email", "phone": "phone"},
    "deals": {"name": "dealname", "amount": "amount"},
    "calls": {"at": "hs_timestamp", "type": "hs_activity_type"},
    "meetings": {"at": "hs_timestamp", "type": "hs_activity_type"},
    "notes": {"created_at": "hs_timestamp"},
    "tasks": {"subject": "hs_task_subject", "due_at": "hs_timestamp"},
}  # fmt: skip


def _stage(ours: str) -> str:
    (module,) = shipped_mapping().of(RecordType.DEAL)
    return module.fields["stage"].in_crm(ours)


@asynccontextmanager
async def hubspot_world() -> AsyncIterator[HubSpotWorld]:
    """The portal of the contract suite."""
    yield HubSpotWorld()


@asynccontextmanager
async def opened(app: FakeApp, engine: AsyncEngine, **settings: Any) -> AsyncIterator[HubSpotCrm]:
    """The CRM as a process opens it from its settings."""
    async with AsyncExitStack() as closing:
        context = CrmContext(
            url="hubspot://", settings=Settings(**{"hubspot_api_url": FAKE_URL, **settings}),
            engine=engine, engine_of=lambda _: engine, closing=closing,
        )  # fmt: skip
        yield open_hubspot(context, http=client_of(app))


def write_mapping(path: Path, **options: Any) -> Path:
    """The full mapping as a file, with options."""
    document = full_mapping().model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    path.write_text(yaml.safe_dump({**document, "options": options}), encoding="utf-8")
    return path
