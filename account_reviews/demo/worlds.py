"""The CRMs that the demo can be played on: filled, copied, asked for what was written."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, time
from enum import StrEnum
from typing import Any, Final, Protocol

from account_reviews.bootstrap import Parts
from account_reviews.crm.field_mapping import FieldMapping, load_field_mapping
from account_reviews.crm.importing.importer import import_directory
from account_reviews.crm.importing.mapping import load_mapping
from account_reviews.demo import evidence
from account_reviews.demo.evidence import CrmImage
from account_reviews.demo.workspace import AS_OF, SAMPLE
from account_reviews.demo.zoho_sample import fill_org
from account_reviews.domain.records import RecordType
from account_reviews.fakes.faults import FaultAction, FaultPlan, FaultRule, Match
from account_reviews.fakes.framework import FakeApp, FakeOptions
from account_reviews.fakes.server import serving
from account_reviews.fakes.zoho.org import Org, Row
from account_reviews.fakes.zoho.service import create_zoho

MOMENT: Final = datetime.combine(date.fromisoformat(AS_OF), time.min, UTC)
"""The moment the sample speaks of."""
_LATENCY_MS: Final = 10
_POST: Final = Match(method="POST", path="/crm/*/Tasks")
_FAULTS: Final = FaultPlan(
    rules=(
        FaultRule(match=_POST, after=5, times=3, action=FaultAction.DROP_AFTER),
        FaultRule(match=Match(method="PUT"), after=2, times=1, action=FaultAction.DROP_AFTER),
        FaultRule(match=_POST, after=20, times=3, action=FaultAction.STATUS, status=429),
    )
)
"""Answers that are lost after the write, and a service that asks to slow down."""
_SYSTEM: Final = frozenset({"id", "Created_By", "Modified_By", "Modified_Time", "Created_Time"})


class DemoCrm(StrEnum):
    """What the demo is played on."""

    SQL = "sql"
    ZOHO = "zoho"


class World(Protocol):
    """A CRM that the demo owns, from the first record to the last."""

    @property
    def about(self) -> str:
        """What it is, in a sentence."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """What commands and workers need to reach it."""
        ...

    async def fill(self, parts: Parts) -> int:
        """Put the sample in; gives the number of rows."""
        ...

    async def image(self, parts: Parts) -> CrmImage:
        """All records as they stand now, each with a version that counts its writes."""
        ...

    def seen(self) -> Mapping[str, int] | None:
        """How often it wrote under each operation id, by its own count. None: it keeps none."""
        ...


class SqlWorld:
    """The tables that `reviews crm import` fills."""

    about = "The CRM of the demo is a set of tables in PostgreSQL."
    environment: Mapping[str, str] = {}

    async def fill(self, parts: Parts) -> int:
        mapping = load_mapping(SAMPLE / "mapping.yaml")
        report = await import_directory(parts.engine, SAMPLE, mapping, as_of=MOMENT)
        return sum(file.inserted for file in report.files)

    async def image(self, parts: Parts) -> CrmImage:
        return await evidence.crm_image(parts.engine)

    def seen(self) -> None:
        return None


class ZohoWorld:
    """A fake of Zoho CRM on a port of this machine, in the process of the demo."""

    def __init__(self, app: FakeApp, url: str) -> None:
        self._app = app
        self._org: Org = app.state.org
        self._mapping: FieldMapping = load_field_mapping(None, shipped="zoho")
        # The places of a killed worker among the calls come back after twice that time.
        self.environment: Mapping[str, str] = {**app.env(url), "REVIEWS_API_TIMEOUT": "2"}
        self.about = (
            f"The CRM of the demo is a fake of Zoho CRM at {url}. It speaks Zoho's API v8, and it"
            " does not behave: it will lose four answers after it has written, and ask three times"
            " to slow down."
        )

    async def fill(self, parts: Parts) -> int:
        del parts
        return fill_org(self._org, SAMPLE)

    async def image(self, parts: Parts) -> CrmImage:
        del parts
        found: dict[tuple[RecordType, str], Mapping[str, Any]] = {
            (RecordType.OWNER, user.id): {
                "id": user.id, "name": user.name, "email": user.email, "active": user.active,
                "manager_id": user.manager_id, "version": 1,
            }
            for user in self._org.users.values()
        }  # fmt: skip
        for module in self._mapping.modules:
            ours = {rule.field: name for name, rule in module.fields.items() if rule.field}
            for row in self._org.rows[module.module].values():
                found[module.record, row.id] = self._columns(row, ours)
        return found

    def seen(self) -> Mapping[str, int]:
        wrote = (line for line in self._app.log.lines if line.committed and line.operation_id)
        return Counter(line.operation_id or "" for line in wrote)

    def _columns(self, row: Row, ours: Mapping[str, str]) -> dict[str, Any]:
        shown = self._org.shown(row, None)
        columns = {
            ours.get(name, name): value["id"] if isinstance(value, dict) else value
            for name, value in shown.items()
            if name in ours or name not in _SYSTEM
        }
        return {**columns, "id": row.id, "version": 1 + len(row.changes)}


@asynccontextmanager
async def _sql() -> AsyncIterator[World]:
    yield SqlWorld()


@asynccontextmanager
async def _zoho() -> AsyncIterator[World]:
    options = FakeOptions(accounts=0, latency_ms=_LATENCY_MS, faults=_FAULTS)
    app = create_zoho(options)
    async with serving(app) as url:
        yield ZohoWorld(app, url)


_WORLDS: Final[dict[DemoCrm, Callable[[], AbstractAsyncContextManager[World]]]] = {
    DemoCrm.SQL: _sql,
    DemoCrm.ZOHO: _zoho,
}


def open_world(crm: DemoCrm) -> AbstractAsyncContextManager[World]:
    """The CRM, for as long as the context lasts."""
    return _WORLDS[crm]()
