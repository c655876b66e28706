"""A trail to read and export: reviews with all kinds of rows, under several seals."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.archive.export import AuditExport
from account_reviews.audit.archive.reader import AuditReader
from account_reviews.audit.seals.anchors import open_anchors
from account_reviews.audit.seals.keys import PublicKeys, SigningKey, public_keys, signing_key
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.audit.store import insert
from account_reviews.audit.verify.offline import verify_export
from account_reviews.audit.verify.offline_checker import OfflineReport
from account_reviews.domain.audit.events import (
    AuditEvent,
    EventType,
    Severity,
    Source,
    attempt_id,
    audit_entry_id,
    history_event_id,
    trace_of_run,
)
from tests.support.connections import statements_on

START = datetime(2026, 10, 1, 8, tzinfo=UTC)
_SPACE = UUID("6f0d1a52-6d0e-4f0e-8c11-5bb1f4a3a9d4")


def run_name(word: str) -> str:
    """A run id that is the same in every test."""
    return str(uuid5(_SPACE, word))


@dataclass(frozen=True)
class Trail:
    """A trail with its sealer."""

    engine: AsyncEngine
    home: Path

    @property
    def key(self) -> SigningKey:
        return signing_key(self.home / "signing-key.pem")

    @property
    def keys(self) -> PublicKeys:
        return public_keys(self.home / "signing-key.pem")

    async def record(self, *events: AuditEvent) -> None:
        """Add rows, in one transaction."""
        assert await insert(self.engine, events) == len(events)

    async def seal(self) -> None:
        """Close what is there."""
        self.home.mkdir(parents=True, exist_ok=True)
        anchors = open_anchors(str(self.home / "seals.jsonl"))
        await Sealer(self.engine, self.key, anchors).seal_all()


def row(
    event_id: str, kind: EventType, at: datetime, account: str = "ac-1", **more: Any
) -> AuditEvent:
    """A row of a review with everything that does not matter filled in."""
    values: dict[str, Any] = {
        "source": Source.FACT,
        "tenant": "default",
        "actor": "worker@host",
        "action": kind.value,
        "resource": f"review/{account}",
        "review_id": f"review/{account}",
        "account_id": account,
        "workflow_id": f"review/{account}",
    }
    return AuditEvent(event_id=event_id, at=at, event_type=kind, **(values | more))


def history(
    run_id: str,
    first: str,
    kinds: Sequence[tuple[EventType, dict[str, Any]]],
    begin: datetime,
    account: str = "ac-1",
    tenant: str = "default",
) -> list[AuditEvent]:
    """The rows of a run's events, a second apart."""
    review = f"review/{account}"
    return [
        row(
            history_event_id("default", review, run_id, number),
            kind,
            begin + timedelta(seconds=number),
            account,
            source=Source.HISTORY,
            tenant=tenant,
            run_id=run_id,
            trace_id=trace_of_run(first),
            details=details,
            actor="ann" if number == 1 else "worker@host",
        )
        for number, (kind, details) in enumerate(kinds, 1)
    ]


def begun(first: str, continued: str | None = None) -> tuple[EventType, dict[str, Any]]:
    """The first event of a run."""
    kind = EventType.SESSION_CONTINUED if continued else EventType.SESSION_STARTED
    more = {"continued_run_id": continued} if continued else {}
    return kind, {
        "first_run_id": first,
        "input": {"keys": ["account_id"], "sha256": "0" * 64},
        **more,
    }


def steps(count: int) -> list[tuple[EventType, dict[str, Any]]]:
    """Events of no interest, with numbers that need care: large ones, and text with all signs."""
    return [
        (EventType.ACTIVITY_COMPLETED, {"n": n, "large": 10**30 + n, "words": 'ünï "quoted" \\ €'})
        for n in range(count)
    ]


def ended(**more: Any) -> tuple[EventType, dict[str, Any]]:
    """The last event of a review."""
    return EventType.SESSION_ENDED, {"status": "completed", "outcome": "completed", **more}


def attempt(run_id: str, activity: str, begin: datetime, account: str = "ac-1") -> list[AuditEvent]:
    """Start and end of a try."""
    common: dict[str, Any] = {"source": Source.ATTEMPT, "run_id": run_id}
    end = begin + timedelta(milliseconds=120)
    details = {"activity": activity, "attempt": 1}
    return [
        row(attempt_id(run_id, activity, 1, "start"), EventType.TOOL_INVOCATION, begin, account,
            details=details, **common),
        row(attempt_id(run_id, activity, 1, "end"), EventType.TOOL_SUCCESS, end, account,
            details={**details, "duration_ms": 120}, **common),
    ]  # fmt: skip


def line(run_id: str, n: int, at: datetime, account: str = "ac-1", **more: Any) -> AuditEvent:
    """A line of a timeline."""
    return row(
        audit_entry_id("timeline", run_id, n), EventType.REVIEW_NOTE, at, account, run_id=run_id,
        details={"line": n}, **more,
    )  # fmt: skip


def read(word: str, at: datetime, account: str | None = "ac-1", **more: Any) -> AuditEvent:
    """Somebody looked."""
    values: dict[str, Any] = {"source": Source.CLIENT, "actor": "bob@desk", "workflow_id": None}
    if account is None:
        values |= {"review_id": None, "account_id": None, "resource": "reviews"}
    return row(
        audit_entry_id("read", word), EventType.DATA_ACCESS, at, account or "-", **(values | more)
    )


OLD, FIRST, SECOND = run_name("old"), run_name("first"), run_name("second")
OTHER, OPEN = run_name("other"), run_name("open")


async def fill(trail: Trail) -> None:
    """Two reviews of ac-1, of which the newer went on in a second run; others beside them."""
    day = timedelta(days=1)
    old = START - day
    await trail.record(
        *history(OLD, OLD, [begun(OLD), *steps(2), ended()], old),
        line(OLD, 0, old + timedelta(seconds=2)),
        read("of the old one", old + timedelta(minutes=1)),
    )
    await trail.seal()
    await trail.record(
        read("who asked for the start", START - timedelta(seconds=2), action="start AccountReview"),
        *history(
            FIRST, FIRST,
            [begun(FIRST), *steps(5), (EventType.SESSION_CONTINUED, {"new_run_id": SECOND})], START,
        ),
        *attempt(FIRST, "crm.fetch_snapshot", START + timedelta(seconds=2)),
        line(FIRST, 0, START + timedelta(seconds=3)),
        line(FIRST, 1, START + timedelta(seconds=4), severity=Severity.ERROR),
    )  # fmt: skip
    await trail.seal()
    later = START + timedelta(hours=1)
    await trail.record(
        *history(SECOND, FIRST, [begun(FIRST, FIRST), *steps(3), ended()], later),
        line(FIRST, 2, later + timedelta(seconds=2)),
        read("after the end", later + timedelta(hours=1)),
        *history(OTHER, OTHER, [begun(OTHER), *steps(1), ended()], later, "ac-2"),
        read("of a list", later, None),
    )
    await trail.record(
        *history(run_name("far"), run_name("far"), [begun("far"), ended()], later, "ac-9", "emea")
    )
    await trail.seal()
    await trail.record(*history(OPEN, OPEN, [begun(OPEN), *steps(2)], later, "ac-3"))


NOW = START + timedelta(days=2)
"""When exports are made."""


def export_of(trail: Trail, *, signed: bool = True) -> AuditExport:
    reader = AuditReader(statements_on(trail.engine))
    return AuditExport(
        trail.engine,
        reader,
        "default",
        trail.keys,
        trail.key if signed else None,
    )


def check(trail: Trail, file: Path) -> OfflineReport:
    return verify_export(file, trail.keys)


def load(file: Path) -> Any:
    return json.loads(file.read_text())


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())
