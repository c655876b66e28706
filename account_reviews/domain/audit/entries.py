"""Entries recorded with what they are about: reviews, halts, schedule runs, policy. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from account_reviews.domain.audit.events import (
    UNKNOWN_ACTOR,
    AuditEvent,
    EventType,
    JsonValue,
    Severity,
    Source,
    audit_entry_id,
    trace_of_run,
)
from account_reviews.domain.audit.redaction import Rules, redact_text
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.halts import Halt
from account_reviews.domain.review.approvals import ApprovalRequest, RequestState
from account_reviews.domain.review.deliveries import Parcel
from account_reviews.domain.review.messages import TimelineEntry
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState

if TYPE_CHECKING:
    from account_reviews.domain.crm_events import Delivery
    from account_reviews.domain.schedule.runs import OpenRun

SYSTEM: Final = "system"
"""The actor of what the product does by itself."""

_SHOWN_RECORDS: Final = 20
"""Of one request, in an entry."""

Details = dict[str, JsonValue]
_Placed = tuple[tuple[datetime, int, int], dict[str, Any]]

_KINDS: Final = {
    "analysed": (EventType.RECOMMENDATION_GENERATED, Severity.INFO),
    "approval_requested": (EventType.APPROVAL_REQUESTED, Severity.INFO),
    "approval_reminder": (EventType.APPROVAL_REMINDER, Severity.INFO),
    "approval_escalated": (EventType.APPROVAL_ESCALATED, Severity.WARNING),
    "approval_decided": (EventType.APPROVAL_DECIDED, Severity.INFO),
    "approval_refused": (EventType.APPROVAL_REFUSED, Severity.WARNING),
    "approval_unreachable": (EventType.ERROR_OCCURRED, Severity.WARNING),
    "approval_expired": (EventType.APPROVAL_EXPIRED, Severity.WARNING),
    "item_superseded": (EventType.APPROVAL_SUPERSEDED, Severity.INFO),
    "item_executed": (EventType.RECOMMENDATION_IMPLEMENTED, Severity.INFO),
    "item_failed": (EventType.ERROR_OCCURRED, Severity.ERROR),
    "degraded": (EventType.ERROR_OCCURRED, Severity.WARNING),
    "not_verified": (EventType.ERROR_OCCURRED, Severity.WARNING),
    "notice_failed": (EventType.ERROR_OCCURRED, Severity.WARNING),
    "malformed_signal": (EventType.ERROR_OCCURRED, Severity.WARNING),
}
"""Kind of a line -> how it is recorded; every other line is a review_note."""
_TIER: Final = re.compile(r"\(tier (\w+)\)")
"""How the account was read, in the line that says so."""
_NOTE: Final = (EventType.REVIEW_NOTE, Severity.INFO)
_BAD_ENDS: Final = {
    Outcome.FAILED: Severity.ERROR,
    Outcome.CANCELLED: Severity.WARNING,
    Outcome.ABANDONED: Severity.WARNING,
    Outcome.EXPIRED: Severity.WARNING,
}


def review_base(state: ReviewState, trace: str | None) -> dict[str, Any]:
    """What all entries of a review share, as columns of a row."""
    return {
        "source": Source.FACT.value,
        "tenant": state.tenant,
        "resource": state.review_id,
        "review_id": state.review_id,
        "account_id": state.account_id,
        "workflow_id": state.review_id,
        "run_id": state.run_id,
        "trace_id": trace or trace_of_run(state.run_id),
    }


def review_entries(state: ReviewState, rules: Rules) -> list[dict[str, Any]]:
    """The entries of a review so far; `body` holds the other columns of each row.

    `list` and `n` say which line (of the `timeline`) or move (of the `history`) it is, counted
    from 0 over those that are gone too; `place` is its place among all; `analysis` is the hash of
    the analysis whose recommendations belong to it.
    """
    found = sorted([*_moves(state, rules), *_lines(state, rules)], key=lambda entry: entry[0])
    return [{**entry, "place": place} for place, (_, entry) in enumerate(found)]


def _lines(state: ReviewState, rules: Rules) -> Iterator[_Placed]:
    for n, line in enumerate(state.timeline, state.timeline_dropped):
        kind, severity = _KINDS.get(line.kind, _NOTE)
        details: Details = {"text": _redacted(line.text, rules), "line": n}
        if line.kind == "refreshed" and _superseded(state, line):
            kind = EventType.APPROVAL_SUPERSEDED
        tier = _TIER.search(line.text) if line.kind == "snapshot" else None
        details |= {"tier": tier[1]} if tier is not None else {}
        details |= _decision(state, line, rules) if line.kind == "approval_decided" else {}
        body = {
            "event_id": audit_entry_id("timeline", state.run_id, n, at=line.at),
            "at": rfc3339(line.at),
            "event_type": kind.value,
            "severity": severity.value,
            "actor": line.by or SYSTEM,
            "action": line.kind,
            "details": details,
        }
        entry = {"list": "timeline", "n": n, "body": body}
        if line.kind == "analysed" and state.analysis is not None:
            entry["analysis"] = state.analysis.hash
        yield (line.at, 1, n), entry


def _moves(state: ReviewState, rules: Rules) -> Iterator[_Placed]:
    last = len(state.history) - 1
    for n, move in enumerate(state.history):
        details: Details = {"from": move.from_phase.value, "to": move.to_phase.value}
        severity = Severity.INFO
        if n == last and state.outcome is not None and move.to_phase is state.phase:
            details |= _end(state, rules)
            severity = _BAD_ENDS.get(state.outcome, Severity.INFO)
        body = {
            "event_id": audit_entry_id("phase", state.run_id, n, at=move.at),
            "at": rfc3339(move.at),
            "event_type": EventType.PHASE_CHANGED.value,
            "severity": severity.value,
            "actor": SYSTEM,
            "action": f"{move.from_phase.value} -> {move.to_phase.value}",
            "details": details,
        }
        yield (move.at, 0, n), {"list": "history", "n": n, "body": body}


def _end(state: ReviewState, rules: Rules) -> Details:
    details: Details = {"outcome": state.outcome.value if state.outcome else None}
    if state.reason:
        details["reason"] = _redacted(state.reason, rules)
    if state.last_error:
        details["last_error"] = _redacted(state.last_error, rules)
    return details


def _superseded(state: ReviewState, line: TimelineEntry) -> bool:
    """A refresh that took a request back."""
    return any(
        request.state is RequestState.SUPERSEDED and request.closed_at == line.at
        for request in state.requests
    )


def _decision(state: ReviewState, line: TimelineEntry, rules: Rules) -> Details:
    """Which request and items a decision was about, and how they stand."""
    for request in state.requests:
        for made in request.decisions:
            if made.at == line.at and made.by == line.by:
                details: Details = {
                    "request_id": request.request_id,
                    "decision": made.decision,
                    "decision_id": made.decision_id,
                    "verified": made.verified,
                    "items": _items(request, made.item_ids),
                }
                if made.reason:
                    details["reason"] = _redacted(made.reason, rules)
                return details
    return {}


def _items(request: ApprovalRequest, ids: tuple[str, ...]) -> list[Any]:
    return [
        {"item_id": item.item_id, "action": item.change.action.value, "hash": item.change.hash}
        for item in request.items
        if item.item_id in ids
    ]


@lru_cache(maxsize=4096)
def _redacted(text: str, rules: Rules) -> str:
    """Every save records the lines so far; their texts stay the same."""
    return redact_text(text, rules)


def halt_entry(halt: Halt, rules: Rules) -> AuditEvent:
    """Somebody stopped all writes and starts, or let them go on again."""
    over = halt.released_at
    return AuditEvent(
        event_id=audit_entry_id("halt", halt.id, "set" if over is None else "released"),
        at=over or halt.at,
        source=Source.FACT,
        event_type=EventType.WRITES_HALTED if over is None else EventType.WRITES_RELEASED,
        tenant=halt.tenant,
        actor=(halt.by if over is None else halt.released_by) or UNKNOWN_ACTOR,
        action="stop all" if over is None else "release all",
        resource=f"tenant/{halt.tenant}",
        severity=Severity.WARNING,
        details={
            "halt": halt.id,
            "reason": redact_text(
                (halt.reason if over is None else halt.released_reason) or "", rules
            ),
        },
    )


def notice_entry(parcel: Parcel, at: datetime, rules: Rules) -> AuditEvent:
    """Somebody was notified: recorded once, with the row that says so."""
    of_review = parcel.review_id or parcel.about
    return AuditEvent(
        event_id=audit_entry_id("notice", parcel.key),
        at=at,
        source=Source.FACT,
        event_type=EventType.NOTICE_SENT,
        tenant=parcel.tenant,
        actor=SYSTEM,
        action=parcel.kind,
        resource=of_review,
        review_id=parcel.review_id,
        account_id=parcel.account_id,
        workflow_id=parcel.review_id,
        run_id=parcel.run_id,
        trace_id=trace_of_run(parcel.run_id) if parcel.run_id else None,
        details={
            "about": parcel.about,
            "level": parcel.level,
            "channel": parcel.channel,
            "recipient": redact_text(parcel.recipient, rules),
        },
    )


def schedule_run_entry(call: "OpenRun") -> AuditEvent:
    """A schedule started something, or missed its time."""
    judged = call.judgement
    details: Details = {
        "workflow_id": call.workflow_id,
        "attempt": call.attempt,
        "verdict": judged.verdict.value,
        "scheduled_at": rfc3339(judged.scheduled_at),
        "lateness_ms": round(judged.lateness_seconds * 1000),
    }
    if judged.reason:
        details["reason"] = judged.reason
    return AuditEvent(
        event_id=audit_entry_id("schedule_run", call.id, call.attempt),
        at=judged.started_at,
        source=Source.FACT,
        event_type=EventType.SCHEDULE_MISSED if judged.missed else EventType.SCHEDULE_FIRED,
        tenant=call.tenant,
        actor=f"schedule/{call.schedule_id}",
        action="missed" if judged.missed else f"fired by {judged.trigger}",
        resource=f"schedule/{call.schedule_id}",
        severity=Severity.WARNING if judged.late else Severity.INFO,
        workflow_id=call.workflow_id,
        run_id=call.id,
        trace_id=None if judged.missed else trace_of_run(call.id),
        details=details,
    )


def policy_entry(
    *, tenant: str, actor: str, before: str | None, after: str, at: datetime
) -> AuditEvent:
    """A worker goes by another policy than the one before. Policies are named by their hashes."""
    return AuditEvent(
        event_id=audit_entry_id("configuration", tenant, after, at=at),
        at=at,
        source=Source.FACT,
        event_type=EventType.CONFIGURATION_CHANGED,
        tenant=tenant,
        actor=actor,
        action="policy in force",
        resource=f"policy/{after}",
        severity=Severity.WARNING if before is not None else Severity.INFO,
        details={"before": before, "after": after},
    )


def archive_entry(archive: Mapping[str, Any], *, actor: str, at: datetime) -> AuditEvent:
    """A closed review went to the archives; `archive` is its row there."""
    return AuditEvent(
        event_id=audit_entry_id("archive", archive["run_id"], at=at),
        at=at,
        source=Source.FACT,
        event_type=EventType.REVIEW_ARCHIVED,
        tenant=archive["tenant"],
        actor=actor,
        action="archive review",
        resource=archive["review_id"],
        review_id=archive["review_id"],
        account_id=archive["account_id"],
        workflow_id=archive["review_id"],
        run_id=archive["run_id"],
        trace_id=trace_of_run(archive["run_id"]),
        details={"hash": archive["hash"], "closed_at": archive["closed_at"]},
    )


def erasure_entry(
    *,
    erasure_id: str,
    tenant: str,
    kind: str,
    account_id: str | None,
    actor: str,
    reason: str,
    counts: Mapping[str, int],
    at: datetime,
) -> AuditEvent:
    """Somebody was forgotten. An account is named by its id, a person not at all."""
    return AuditEvent(
        event_id=audit_entry_id("erasure", erasure_id, at=at),
        at=at,
        source=Source.FACT,
        event_type=EventType.DATA_ERASED,
        tenant=tenant,
        actor=actor,
        action=f"forget {kind}",
        resource=f"erasure/{erasure_id}",
        severity=Severity.WARNING,
        account_id=account_id,
        details={"erasure": erasure_id, "reason": reason, "counts": dict(counts)},
    )


def events_entry(
    deliveries: Sequence["Delivery"], *, tenant: str, first: int, at: datetime
) -> AuditEvent:
    """A CRM said that records have changed. `first`: the number of the first of these events."""
    source = deliveries[0].source.value
    events = [event for one in deliveries for event in one.events]
    accounts = {event.account_id for event in events}
    return AuditEvent(
        event_id=audit_entry_id("crm_event", tenant, first),
        at=at,
        source=Source.FACT,
        event_type=EventType.CRM_EVENT,
        tenant=tenant,
        actor=f"crm/{source}",
        action="received",
        resource=f"{source}/{deliveries[0].key}",
        severity=Severity.INFO,
        account_id=accounts.pop() if len(accounts) == 1 else None,
        details={
            "first": first,
            "events": len(events),
            "records": [
                f"{event.record_type.value}/{event.record_id} {event.action.value}"
                for event in events[:_SHOWN_RECORDS]
            ],
        },
    )


def handled_entry(
    *,
    tenant: str,
    account_id: str,
    handling_id: str,
    action: str,
    events: Sequence[int],
    run_id: str | None,
    at: datetime,
) -> AuditEvent:
    """What followed from events of one account; `action` as `EventOutcome`, or `dead`."""
    return AuditEvent(
        event_id=audit_entry_id("crm_event", tenant, handling_id, action),
        at=at,
        source=Source.FACT,
        event_type=EventType.CRM_EVENT,
        tenant=tenant,
        actor=SYSTEM,
        action=action,
        resource=f"account/{account_id}",
        severity=Severity.WARNING if action == "dead" else Severity.INFO,
        account_id=account_id,
        details={
            "events": len(events),
            "first": min(events, default=None),
            "last": max(events, default=None),
            "review_run": run_id,
        },
    )


def refused_webhooks_entry(
    *, tenant: str, path: str, count: int, why: str, number: str, at: datetime
) -> AuditEvent:
    """Requests whose proof did not hold, counted over a while. `number` tells entries apart."""
    return AuditEvent(
        event_id=audit_entry_id("webhook_refused", tenant, path.strip("/"), number, at=at),
        at=at,
        source=Source.CLIENT,
        event_type=EventType.WEBHOOK_REFUSED,
        tenant=tenant,
        actor=UNKNOWN_ACTOR,
        action="webhook refused",
        resource=path,
        severity=Severity.WARNING,
        details={"count": count, "why": why},
    )
