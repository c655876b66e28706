"""How much of its work the product does now: quick looks. What is missing is the doctor's."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from account_reviews.bootstrap import Parts, open_parts
from account_reviews.config.settings import Settings
from account_reviews.crm.http.limits import HasLimits
from account_reviews.crm.http.limits_queries import LimitsReader
from account_reviews.crm.registry import scheme_of
from account_reviews.domain.audit.masks import mask_secrets
from account_reviews.domain.backends import Health
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.counting import counted
from account_reviews.domain.errors import ReviewsError
from account_reviews.domain.service_levels import CRM, MEMORY, Service, ServiceLevel, level_of
from account_reviews.store.service_queries import BreakerRow, ServiceReader
from account_reviews.temporal import names
from account_reviews.temporal.executions import OPEN, quoted
from account_reviews.temporal.open_reviews import count_running
from account_reviews.temporal.pollers import ACTIVITIES, WORKFLOWS, who_polls

_Answer = TypeVar("_Answer")

SESSIONS: Final = (
    "total_sessions", "active_sessions", "oldest_session_age", "newest_session_age",
    "avg_session_age",
)  # fmt: skip
PATIENCE: Final = 2.0
"""Seconds for one look."""
_SILENT: Final = f"no answer within {PATIENCE:g} s"
SHOWN_WITHIN: Final = timedelta(seconds=10)
"""A review that began longer ago has its row."""
LISTED: Final = 50
"""Open reviews, the newest ones, whose rows are looked for."""
LEFT_OPEN: Final = 5
"""Rows that may be open of reviews that just closed: Temporal's lists follow behind."""
_LEFT_SHARE: Final = 20
"""One open row in so many, where there are many."""

_OPEN_ROWS: Final = (
    "select count(*) from reviews.review_runs where tenant = :tenant and closed_at is null"
)
_SHOWN: Final = "select review_id from reviews.review_runs where review_id = any(:ids)"


class Report(NamedTuple):
    """`snapshot_age_seconds`, and `sessions`, how many reviews and how old: None where the database
    does not say."""

    level: ServiceLevel
    services: tuple[Service, ...]
    snapshot_age_seconds: float | None = None
    sessions: dict[str, Any] = dict.fromkeys(SESSIONS)
    halted: str | None = None
    """By whom and why everything is stopped."""


class UnwellError(Exception):
    """It answers, and something is wrong with it."""

    def __init__(self, detail: str, hint: str) -> None:
        self.hint = hint
        super().__init__(detail)


async def look(settings: Settings) -> Report:
    """All at once, each within 2 seconds. Raises nothing for what it finds."""
    try:
        async with open_parts(settings, application="reviews-health") as parts:
            return await _looked(parts)
    except ReviewsError as error:
        unwell = (_failed("settings", error.message, error.hint),)
        return Report(ServiceLevel.MINIMAL, unwell)


async def _looked(parts: Parts) -> Report:
    _load(parts)
    connecting = asyncio.ensure_future(parts.connect())
    breakers = await _or_none(_breakers(parts)) or {}
    looks = (
        ("database", lambda: _database(parts)),
        ("temporal", lambda: _temporal(connecting)),
        ("workers", lambda: _workers(parts, connecting)),
        ("read model", lambda: _read_model(parts, connecting)),
        (CRM, lambda: _crm(parts, breakers.get(CRM))),
        (MEMORY, lambda: _memory(parts, breakers.get(MEMORY))),
    )
    tenant = parts.settings.tenant
    try:
        found, halt, age, sessions = await asyncio.gather(
            asyncio.gather(*(_one(name, one) for name, one in looks)),
            _or_none(parts.halt_history.current(tenant)),
            _or_none(ServiceReader(parts.statements).snapshot_age(tenant)),
            _or_none(parts.figures.sessions(tenant)),
        )
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    explained = [await _explained(parts, one) for one in found]
    services = tuple(_with_breaker(one, breakers.get(one.name)) for one in explained)
    level = level_of(
        services,
        halted=halt is not None,
        snapshot_age_seconds=age,
        max_stale_seconds=parts.policy.gather.max_stale.total_seconds(),
    )
    return Report(
        level,
        services,
        None if age is None else round(age, 3),
        sessions or dict.fromkeys(SESSIONS),
        halt.describe() if halt is not None else None,
    )


def _load(parts: Parts) -> None:
    """What takes us some time here counts as no service's answer. What is wrong its look says."""
    for build in (lambda: parts.crm, lambda: parts.memory, lambda: parts.memory_syncs):
        with suppress(Exception):
            build()


async def _or_none(asked: Awaitable[_Answer]) -> _Answer | None:
    """None where the database does not answer: its own look says so."""
    try:
        return await asyncio.wait_for(asked, PATIENCE)
    except (ReviewsError, TimeoutError):
        return None


async def _breakers(parts: Parts) -> dict[str, BreakerRow]:
    """Of CRM and memory, where they have one."""
    urls = {CRM: parts.settings.crm_url, MEMORY: parts.settings.memory_url}
    named = {name: scheme_of(url) for name, url in urls.items() if url is not None}
    rows = await ServiceReader(parts.statements).breakers(list(named.values()))
    return {name: rows[service] for name, service in named.items() if service in rows}


def _with_breaker(service: Service, row: BreakerRow | None) -> Service:
    if row is None:
        return service
    return service._replace(breaker=row.standing, since=row.since)


async def _crm(parts: Parts, breaker: BreakerRow | None) -> str:
    _ensure_asked(breaker)
    return _said(await parts.crm.health())


async def _explained(parts: Parts, service: Service) -> Service:
    """A CRM that is silent because there is no place to ask it is said to be that."""
    if service.name != CRM or service.detail != _SILENT:
        return service
    places = await _or_none(_places_taken(parts))
    if places is None:
        return service
    return service._replace(
        detail=f"all {places} calls it takes at once are under way, none ended in {PATIENCE:g} s",
        hint="`reviews crm limits` shows whose they are",
    )


async def _places_taken(parts: Parts) -> int | None:
    """How many calls of a CRM behind HTTP go at once, when all of them do."""
    if not isinstance(parts.crm, HasLimits):
        return None
    service, allowed = parts.crm.calls
    calls = (await LimitsReader(parts.statements).report(service, allowed)).concurrency
    return calls.limit if calls.in_use >= calls.limit else None


async def _memory(parts: Parts, breaker: BreakerRow | None) -> str:
    _ensure_asked(breaker)
    said = _said(await parts.memory.health())
    stale = (await parts.memory_syncs.view(parts.settings.tenant)).stale
    return f"{said}; it was synced too long ago, see `reviews memory sync`" if stale else said


def _ensure_asked(breaker: BreakerRow | None) -> None:
    """What is left alone is left alone by us too."""
    if breaker is not None and breaker.standing == "open" and breaker.since is not None:
        raise UnwellError(
            f"{breaker.service} failed too often and is left alone since {rfc3339(breaker.since)}",
            "it is asked again by itself; see `reviews doctor`",
        )


def _said(health: Health) -> str:
    if not health.ok:
        raise UnwellError(health.detail, health.hint or "see `reviews doctor`")
    return health.detail


async def _one(name: str, examination: Callable[[], Awaitable[str]]) -> Service:
    try:
        detail = await asyncio.wait_for(examination(), PATIENCE)
    except TimeoutError:
        return _failed(name, _SILENT, "see `reviews doctor`")
    except UnwellError as error:
        return _failed(name, str(error), error.hint)
    except ReviewsError as error:
        return _failed(name, error.message, error.hint)
    except RPCError as error:
        return _failed(name, f"Temporal answers: {error.message}", "see `reviews doctor`")
    except Exception as error:  # noqa: BLE001  a look that breaks is a finding, not a crash
        return _failed(name, f"{type(error).__name__}: {error}", "see `reviews doctor`")
    return Service(name, ok=True, detail=detail)


def _failed(name: str, detail: str, hint: str | None) -> Service:
    """What failed may quote what it was given, such as an address with a password."""
    hint = None if hint is None else mask_secrets(hint)
    return Service(name, ok=False, detail=mask_secrets(detail), hint=hint)


async def _database(parts: Parts) -> str:
    began = time.monotonic()
    await parts.statements.scalar(_OPEN_ROWS, tenant=parts.settings.tenant)
    return f"answers in {(time.monotonic() - began) * 1000:.0f} ms"


async def _client(connecting: "asyncio.Future[Client]") -> Client:
    """One connection for all; who is cancelled while waiting leaves it to the others."""
    return await asyncio.shield(connecting)


async def _temporal(connecting: "asyncio.Future[Client]") -> str:
    client = await _client(connecting)
    began = time.monotonic()
    if not await client.service_client.check_health():
        raise UnwellError("it answers that it does not serve", "see its log")
    return f"answers in {(time.monotonic() - began) * 1000:.0f} ms"


async def _workers(parts: Parts, connecting: "asyncio.Future[Client]") -> str:
    client, queue = await _client(connecting), names.task_queue(parts.settings.tenant)
    asked = (
        (queue, WORKFLOWS, "workflows"),
        (queue, ACTIVITIES, "activities"),
        (names.write_queue_of(queue), ACTIVITIES, "writes"),
    )
    found = await asyncio.gather(*(who_polls(client, where, kind) for where, kind, _ in asked))
    for (where, _, what), seen in zip(asked, found, strict=True):
        if not seen:
            raise UnwellError(
                f"nobody asks the task queue {where} for {what}", "start one: `reviews worker`"
            )
    count = len({one for seen in found for one in seen})
    return f"{counted(count, 'worker')} on {queue}"


async def _read_model(parts: Parts, connecting: "asyncio.Future[Client]") -> str:
    """Whether each review that is open in Temporal has its row, and the other way round."""
    client, tenant = await _client(connecting), parts.settings.tenant
    rows, running, newest = await asyncio.gather(
        parts.statements.scalar(_OPEN_ROWS, tenant=tenant),
        count_running(client, tenant),
        _newest(client, tenant),
    )
    shown = {row["review_id"] for row in await parts.statements.rows(_SHOWN, ids=newest)}
    missing = [one for one in newest if one not in shown]
    if missing:
        raise UnwellError(
            f"{len(missing)} of the {len(newest)} newest open reviews have no row: {missing[0]}"
            + (" and others" if len(missing) > 1 else ""),
            "see whether a worker runs; `reviews db rebuild` makes the rows",
        )
    left = rows - running
    if left > max(LEFT_OPEN, rows // _LEFT_SHARE):
        raise UnwellError(
            f"{rows} rows are open, and {running} reviews in Temporal",
            "`reviews db rebuild` brings the rows up to date",
        )
    return f"{running} open in Temporal, {rows} here"


async def _newest(client: Client, tenant: str) -> list[str]:
    """Ids of the newest open reviews whose rows must be there."""
    before = rfc3339(datetime.now(UTC) - SHOWN_WITHIN)
    query = (
        f"WorkflowType = 'AccountReview' AND {OPEN} AND Tenant = {quoted(tenant)} "
        f"AND StartTime < '{before}'"
    )
    return [found.id async for found in client.list_workflows(query, limit=LISTED)]
