"""Figures that stand in databases and in Temporal, read when somebody looks at the page.

They are true after crashes and the same on every worker: take the largest, never the sum. Each
source has a time limit and is asked again after a while only, so that no scrape waits for a
database that is down; what it would show is left out, and `reviews_source_up` says 0.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from account_reviews.crm.http.limits_queries import LimitsReader
from account_reviews.store.database import reachable
from account_reviews.store.review_figures import SessionReader
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements
from account_reviews.telemetry import instruments
from account_reviews.temporal.open_reviews import count_running
from account_reviews.temporal.schedules.control import ScheduleControl

_log = logging.getLogger(__name__)

LIMIT_SECONDS: Final = 2.0
FRESH_SECONDS: Final = 5.0
SCHEDULES_FRESH_SECONDS: Final = 60.0
_MOST_SCHEDULES: Final = 200
_DAY_HOURS: Final = 24

Labels = Mapping[str, str]
Values = dict[str, list[tuple[float, Labels]]]
"""Name of a gauge -> its values."""

_UP: Final = "reviews_source_up"
GAUGES: Final[Mapping[str, str]] = {
    "orchestrator_active_sessions": "Reviews that are open in Temporal now",
    "reviews_open_sessions": "Reviews that are open by their rows now, by phase and status",
    "reviews_session_error_ratio": "Share of reviews of the last day that failed or had an error",
    "reviews_session_resume_ratio": "Share of those that waited for a person and were taken up",
    "reviews_session_resume_success_ratio": "Share of those taken up that completed",
    "reviews_session_duration_median_seconds": "Median of start to end, reviews of the last day",
    "reviews_session_duration_p95_seconds": "95th percentile of start to end, of the last day",
    "reviews_approvals_pending": "Approval requests nobody has decided on",
    "reviews_approvals_overdue": "Pending requests whose deadline has passed",
    "reviews_approvals_oldest_seconds": "Age of the oldest pending request",
    "reviews_audit_outbox_rows": "Rows on their way to the trail",
    "reviews_audit_outbox_oldest_seconds": "Age of the oldest of them",
    "reviews_audit_unsealed_rows": "Rows no seal covers yet; counted up to 100,000",
    "reviews_audit_unsealed_oldest_seconds": "Age of the oldest of them",
    "reviews_audit_last_seal_number": "Number of the newest seal; 0 before the first",
    "reviews_audit_gaps": "Histories that were deleted before the trail had them",
    "reviews_crm_events_waiting": "Events of the CRM that are not followed yet",
    "reviews_crm_events_oldest_seconds": "Age of the oldest of them",
    "reviews_crm_events_dead": "Events of the last 7 days that could not be followed",
    "reviews_api_calls_in_flight": "Calls under way to a service behind HTTP, of all workers",
    "reviews_api_calls_waiting": "Calls that wait for a place, of people and of schedules",
    "reviews_api_breaker_open": "1 while a service is left alone, 0.5 while it is tried again",
    _UP: "1 when the figures of this source could be read",
}
COUNTERS: Final[Mapping[str, str]] = {
    "reviews_schedule_skipped": "Runs Temporal skipped because the one before was not done",
    "reviews_schedule_missed_window": "Runs Temporal could not start within the grace",
}

_CALLS: Final = (
    "reviews_api_calls_in_flight",
    "reviews_api_calls_waiting",
    "reviews_api_breaker_open",
)
_OPEN: Final = {"closed": 0.0, "half_open": 0.5, "open": 1.0}
_STANDINGS: Final = (
    "select distinct on (service) service, standing from reviews.api_breakers "
    "order by service, since desc"
)
_SEALED: Final = text(
    "select number, until_xid as xid, until_seq as seq from audit.seals "
    "order by number desc limit 1"
)
_EVENTS: Final = (
    "select state, count(*) as events, extract(epoch from now() - min(received_at)) as oldest "
    "from reviews.webhook_events where tenant = :tenant and state in ('new', 'waiting', 'dead') "
    "group by state"
)
_UNSEALED: Final = text(read_sql("account_reviews.telemetry", "unsealed_rows.sql"))
_GAPS: Final = text(
    "select count(*) from audit.audit_events where tenant = :tenant and event_type = 'audit_gap'"
)


@dataclass
class Source:
    """One place that is asked. `values` is None while it does not answer."""

    name: str
    ask: Callable[[], Awaitable[Values]]
    fresh_seconds: float = FRESH_SECONDS
    values: Values | None = None
    asked_at: float = field(default=float("-inf"))

    async def refresh(self) -> None:
        """Ask, unless that was done a moment ago. Never raises."""
        if time.monotonic() - self.asked_at < self.fresh_seconds:
            return
        try:
            self.values = await asyncio.wait_for(self.ask(), LIMIT_SECONDS)
        except Exception as error:  # noqa: BLE001  a page without these figures beats none
            _log.debug("the metrics page lacks what %s knows: %r", self.name, error)
            self.values = None
        self.asked_at = time.monotonic()


class Observed:
    """The gauges of one process, fed by its sources on the loop it was made in."""

    def __init__(self, meter: Meter) -> None:
        self._loop = asyncio.get_running_loop()
        self._sources: list[Source] = []
        self._lock = threading.Lock()
        self._seen: Values = {}
        self._looked_at = float("-inf")
        for name, description in GAUGES.items():
            meter.create_observable_gauge(
                name, [partial(self._observe, name)], description=description
            )
        for name, description in COUNTERS.items():
            meter.create_observable_counter(
                name, [partial(self._observe, name)], description=description
            )

    def watch(self, *sources: Source) -> None:
        """Show the figures of these from now on."""
        self._sources.extend(sources)

    def unwatch(self) -> None:
        """Show no figures any more: their databases are about to be closed."""
        self._sources.clear()
        self._seen = {}

    def _observe(self, name: str, _: CallbackOptions) -> Iterable[Observation]:
        return [Observation(value, dict(labels)) for value, labels in self._look().get(name, [])]

    def _look(self) -> Values:
        """All values. The callbacks of one page come right after each other: asked once."""
        with self._lock:
            if time.monotonic() - self._looked_at > 1.0:
                self._refresh()
                self._looked_at = time.monotonic()
            return self._seen

    def _refresh(self) -> None:
        asked: Future[Any] = asyncio.run_coroutine_threadsafe(self._ask_all(), self._loop)
        try:
            asked.result(LIMIT_SECONDS + 1)
        except Exception:  # noqa: BLE001  a loop that does not answer leaves the figures out
            asked.cancel()
            self._seen = {_UP: [(0, {"source": one.name}) for one in self._sources]}

    async def _ask_all(self) -> None:
        sources = list(self._sources)
        await asyncio.gather(*(one.refresh() for one in sources))
        seen: Values = {_UP: [(int(s.values is not None), {"source": s.name}) for s in sources]}
        for one in sources:
            for name, values in (one.values or {}).items():
                seen.setdefault(name, []).extend(values)
        self._seen = seen


def reviews_source(reader: SessionReader) -> Source:
    """The read model."""

    async def ask() -> Values:
        running, ends = await reader.running(), await reader.ends(_DAY_HOURS)
        backlog = await reader.backlog()
        by: dict[tuple[str, str], int] = {}
        for one in running:
            by[one.phase, one.status] = by.get((one.phase, one.status), 0) + one.sessions
        plain = {
            "reviews_session_error_ratio": ends.error_rate,
            "reviews_session_resume_ratio": ends.resume_rate,
            "reviews_session_resume_success_ratio": ends.resume_success,
            "reviews_session_duration_median_seconds": ends.median or 0.0,
            "reviews_session_duration_p95_seconds": ends.p95 or 0.0,
            "reviews_approvals_pending": backlog.pending,
            "reviews_approvals_overdue": backlog.overdue,
            "reviews_approvals_oldest_seconds": backlog.oldest_request,
            "reviews_audit_outbox_rows": backlog.outbox,
            "reviews_audit_outbox_oldest_seconds": backlog.oldest_outbox,
        }
        shown: list[tuple[float, Labels]] = [
            (float(number), {"phase": phase, "status": status})
            for (phase, status), number in sorted(by.items())
        ]
        return {"reviews_open_sessions": shown, **_plain(plain)}

    return Source("database", ask)


def events_source(statements: Statements, tenant: str) -> Source:
    """The queue of what the CRM says has changed."""

    async def ask() -> Values:
        found = await statements.rows(_EVENTS, tenant=tenant)
        by = {row["state"]: row for row in found}
        waiting = [by[state] for state in ("new", "waiting") if state in by]
        return _plain(
            {
                "reviews_crm_events_waiting": sum(row["events"] for row in waiting),
                "reviews_crm_events_oldest_seconds": max(
                    (float(row["oldest"]) for row in waiting), default=0.0
                ),
                "reviews_crm_events_dead": by["dead"]["events"] if "dead" in by else 0,
            }
        )

    return Source("events", ask)


def calls_source(statements: Statements) -> Source:
    """What services behind HTTP are asked, and what is left of what they allow."""
    reader = LimitsReader(statements)

    async def ask() -> Values:
        found: Values = {name: [] for name in _CALLS}
        for one in await reader.figures():
            labels = {"service": one.service}
            found["reviews_api_calls_in_flight"].append((float(one.in_use), labels))
            found["reviews_api_calls_waiting"] += [
                (float(one.people), {**labels, "priority": "people"}),
                (float(one.schedules), {**labels, "priority": "schedules"}),
            ]
            if one.left is not None:
                instruments.crm_limit_remaining(one.service, one.left)
        for row in await statements.rows(_STANDINGS):
            shown = _OPEN[row["standing"]], {"service": row["service"]}
            found["reviews_api_breaker_open"].append(shown)
        return found

    return Source("calls", ask)


def audit_source(engine: AsyncEngine, tenant: str) -> Source:
    """The audit database."""

    async def ask() -> Values:
        async with reachable(), engine.connect() as connection:
            newest = (await connection.execute(_SEALED)).mappings().one_or_none()
            sealed = dict(newest) if newest else {"number": 0, "xid": 0, "seq": 0}
            young = await connection.execute(_UNSEALED, sealed)
            unsealed = young.mappings().one()
            gaps = await connection.scalar(_GAPS, {"tenant": tenant})
        return _plain(
            {
                "reviews_audit_last_seal_number": sealed["number"],
                "reviews_audit_unsealed_rows": unsealed["rows"],
                "reviews_audit_unsealed_oldest_seconds": unsealed["oldest"],
                "reviews_audit_gaps": gaps or 0,
            }
        )

    return Source("audit_database", ask)


def running_source(client: Client) -> Source:
    """The reviews that are open in Temporal, whether they have a row or not."""

    async def ask() -> Values:
        return _plain({"orchestrator_active_sessions": await count_running(client)})

    return Source("temporal", ask)


def schedules_source(client: Client, tenant: str) -> Source:
    """What Temporal itself counts of our schedules: the first 200 by their ids."""
    control = ScheduleControl(client, tenant)

    async def ask() -> Values:
        ids, _ = await control.page(None, _MOST_SCHEDULES)
        found: Values = {name: [] for name in COUNTERS}
        for name, standing in await control.describe_all(ids):
            info, labels = standing.description.info, {"schedule_id": name}
            found["reviews_schedule_skipped"].append((info.num_actions_skipped_overlap, labels))
            found["reviews_schedule_missed_window"].append(
                (info.num_actions_missed_catchup_window, labels)
            )
        return found

    return Source("temporal_schedules", ask, SCHEDULES_FRESH_SECONDS)


def _plain(values: Mapping[str, float]) -> Values:
    return {name: [(float(value), {})] for name, value in values.items()}
