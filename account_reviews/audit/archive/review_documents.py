"""The two documents of one review: its audit and its metrics, made of its rows alone.

Everything in them but the time of the export follows from the entries, so whoever has the file can
make them again and compare.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.audit.seals import merkle
from account_reviews.audit.seals.leaves import document_hash
from account_reviews.domain.audit.events import EventType, Source

AUDIT_FORMAT: Final = "account-reviews-audit/1"
METRICS_FORMAT: Final = "account-reviews-metrics/1"

RUNNING: Final = "running"
"""The status of a review whose end is not in the trail."""

_STARTS: Final = (EventType.SESSION_STARTED.value, EventType.SESSION_CONTINUED.value)
_TOOLS: Final = {
    EventType.TOOL_INVOCATION.value: "invocations",
    EventType.TOOL_SUCCESS.value: "successes",
    EventType.TOOL_ERROR.value: "errors",
}
_TASKS: Final = {
    EventType.TASK_STARTED.value: "executions",
    EventType.TASK_COMPLETED.value: "completed",
    EventType.TASK_FAILED.value: "failed",
}

Row = Mapping[str, Any]


def in_order(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """By time, and the end of the session last: what was recorded after it stands before it."""
    end = ending(rows)
    return sorted(rows, key=lambda row: (row is end, moment(row), row["seq"]))


def ending(rows: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The end of the session: that of its last run. None while it goes on."""
    starts = [row for row in rows if is_start(row)]
    if not starts:
        return None
    run_id = max(starts, key=moment)["run_id"]
    ends = [
        row
        for row in rows
        if row["event_type"] == EventType.SESSION_ENDED
        and row["source"] == Source.HISTORY
        and row["run_id"] == run_id
    ]
    return max(ends, key=moment, default=None)


def is_start(row: Row) -> bool:
    """True for the first event of a run."""
    return (
        row["source"] == Source.HISTORY
        and row["event_type"] in _STARTS
        and "first_run_id" in row["details"]
    )


def moment(row: Row) -> datetime:
    """When it happened."""
    found: datetime = datetime.fromisoformat(row["at"])
    return found


def entries_root(entries: Sequence[Row]) -> str:
    """The Merkle root over all entries in their order, as hex: it binds the two documents."""
    return merkle.root([document_hash(entry) for entry in entries]).hex()


def audit_body(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What follows from the entries, without these: session, status, total, metadata."""
    starts = sorted((row for row in entries if is_start(row)), key=moment)
    end = ending(entries)
    details: Row = end["details"] if end else {}
    first = starts[0] if starts else entries[0]
    return {
        "format": AUDIT_FORMAT,
        "session_id": first["review_id"],
        "status": details.get("status", RUNNING),
        "total_entries": len(entries),
        "metadata": {
            "tenant": first["tenant"],
            "review_id": first["review_id"],
            "account_id": first["account_id"],
            "run_id": first["details"].get("first_run_id") or first["run_id"],
            "run_ids": [row["run_id"] for row in starts],
            "trace_id": first["trace_id"],
            "started_at": first["at"],
            "started_by": first["actor"],
            "ended_at": end["at"] if end else None,
            "outcome": details.get("outcome"),
        },
    }


def metrics_body(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a session. Durations of steps are whole milliseconds."""
    audit = audit_body(entries)
    times = [moment(row) for row in entries]
    return {
        "format": METRICS_FORMAT,
        "session_id": audit["session_id"],
        "run_id": audit["metadata"]["run_id"],
        "status": audit["status"],
        "duration_seconds": _duration(audit, times),
        "total_events": len(entries),
        "event_counts": _counts(row["event_type"] for row in entries),
        "source_counts": _counts(row["source"] for row in entries),
        "severity_counts": _counts(row["severity"] for row in entries),
        "actor_counts": _counts(row["actor"] for row in entries),
        "tools": _steps(entries, _TOOLS),
        "tasks": _steps(entries, _TASKS),
        "first_event_at": min(entries, key=moment)["at"],
        "last_event_at": max(entries, key=moment)["at"],
    }


def _duration(audit: Row, times: Sequence[datetime]) -> float:
    """From start to end; of a session that goes on, to its last event."""
    metadata = audit["metadata"]
    begin = datetime.fromisoformat(metadata["started_at"])
    end = datetime.fromisoformat(metadata["ended_at"]) if metadata["ended_at"] else max(times)
    return max(0, (end - begin) // timedelta(milliseconds=1)) / 1000


def _counts(words: Any) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _steps(entries: Sequence[Row], names: Mapping[str, str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in entries:
        if row["event_type"] not in names:
            continue
        details = row["details"]
        name = str(details.get("activity") or row["action"])
        counts = found.setdefault(name, dict.fromkeys((*names.values(), "duration_ms"), 0))
        counts[names[row["event_type"]]] += 1
        duration = details.get("duration_ms")
        counts["duration_ms"] += duration if isinstance(duration, int) else 0
    return dict(sorted(found.items()))
