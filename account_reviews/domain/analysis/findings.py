"""Findings: what a person should know, each with its evidence. Worst first."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from account_reviews.domain.analysis.changes import is_regression
from account_reviews.domain.analysis.evidence import cite, ref
from account_reviews.domain.analysis.facts import Facts, StalledDeal, stage_since, whole_days
from account_reviews.domain.analysis.model import DetectedChange, Evidence, Finding, Severity
from account_reviews.domain.analysis.own_writes import OwnWrite, last_written
from account_reviews.domain.analysis.risk_signals import SEVERITIES, RiskSignals
from account_reviews.domain.base import Scalar
from account_reviews.domain.counting import counted
from account_reviews.domain.money import amount_in_words
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.records import (
    CLOSED_TASKS,
    OPEN_TASKS,
    AccountStatus,
    RecordType,
    Task,
    task_word,
)

_DATES = frozenset({"contract_end", "renewal_date", "created_at", "last_activity_at"})
"""Account fields that hold a day or a moment."""
_STANDING = frozenset({"inactivity_threshold", "deal_stalled"})
"""Reported as conditions, whether they began now or before."""


def collect_findings(
    facts: Facts,
    changes: tuple[DetectedChange, ...],
    risk_signals: RiskSignals,
    own_writes: Sequence[OwnWrite] = (),
) -> tuple[Finding, ...]:
    """Changes, standing conditions and unknowns."""
    found = (
        *(_of_change(facts, change) for change in changes if change.type not in _STANDING),
        *_inactivity(facts),
        *(_stalled(facts, item) for item in facts.stalled),
        *_of_risk_signals(changes, risk_signals, own_writes),
        *_owner(facts),
        *_overdue(facts),
        *_unknown(facts),
    )
    return tuple(sorted(found, key=_order))


def _order(finding: Finding) -> tuple[int, bool, str, str]:
    record = finding.evidence[0].record.id if finding.evidence else None
    severity = SEVERITIES.index(finding.severity)
    return severity, not finding.requires_attention, finding.kind, record or ""


def change_severity(change: DetectedChange) -> Severity:
    """Where a change is routed."""
    match change.type:
        case "owner_change":
            return Severity.CRITICAL
        case "status_change" if change.after == AccountStatus.AT_RISK:
            return Severity.CRITICAL
        case "high_value_activity" | "contact_added":
            return Severity.HIGH
        case "deal_stage_change" if is_regression(change.before, change.after):
            return Severity.HIGH
        case "custom_field_modified" if change.field.startswith("custom."):
            return Severity.MEDIUM
        case _:
            return Severity.LOW


def _of_change(facts: Facts, change: DetectedChange) -> Finding:
    evidence = Evidence(
        record=change.record,
        field=change.field,
        before=change.before,
        after=change.after,
        value=change.after,
        at=change.at,
    )
    return Finding(
        kind=change.type,
        severity=change_severity(change),
        title=_change_title(facts, change),
        requires_attention=change.requires_attention,
        evidence=(evidence,),
    )


def _change_title(facts: Facts, change: DetectedChange) -> str:
    name = change.record.name or change.record.id
    before, after = (_word(facts, change, one) for one in (change.before, change.after))
    field = change.field.removeprefix("custom.").removesuffix("_at").replace("_", " ")
    stage = f"Deal {name} went from {before} to {after}"
    if change.before is None:
        stage = f"New deal {name} in stage {after}"
    titles = {
        "new_account": "This account is reviewed for the first time",
        "contact_added": f"New contact: {name}",
        "high_value_activity": f"{after}: {name}",
        "deal_stage_change": stage,
        "owner_change": "The owner changed from "
        f"{_owner_name(facts, before)} to {_owner_name(facts, after)}",
    }
    said = f"{field.capitalize()} changed from {before} to {after}"
    if change.before is None:
        said = f"{field.capitalize()} is now {after}"
    elif change.after is None:
        said = f"{field.capitalize()} was {before} and is empty now"
    return titles.get(change.type, said)


def _word(facts: Facts, change: DetectedChange, value: Scalar) -> str:
    """A value as people write it."""
    if value is None:
        return "nobody" if change.field == "owner_id" else "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if change.field == "annual_revenue":
        return amount_in_words(Decimal(str(value)), facts.currency)
    if change.field in _DATES:
        day = datetime.fromisoformat(str(value))
        return f"{day.day} {day:%b %Y}"
    return str(value)


def _owner_name(facts: Facts, owner_id: str) -> str:
    for owner in (facts.snapshot.owner, facts.snapshot.previous_owner):
        if owner is not None and owner.id == owner_id:
            return owner.name
    return owner_id


def _inactivity(facts: Facts) -> Iterator[Finding]:
    idle, last = facts.idle, facts.last_activity
    if idle is None or last is None or not crosses("idle_attention", idle, facts.policy):
        return
    severity = Severity.MEDIUM
    if crosses("idle_signal", idle, facts.policy):
        severity = Severity.HIGH
    if crosses("idle_critical", idle, facts.policy):
        severity = Severity.CRITICAL
    yield Finding(
        kind="inactivity_threshold",
        severity=severity,
        title=f"No contact for {counted(whole_days(idle), 'day')}",
        requires_attention=True,
        evidence=(last,),
    )


def _stalled(facts: Facts, item: StalledDeal) -> Finding:
    deal = item.deal
    worth = "" if deal.amount is None else f", worth {amount_in_words(deal.amount, facts.currency)}"
    age = "" if item.age is None else f" for {counted(whole_days(item.age), 'day')}"
    return Finding(
        kind="deal_stalled",
        severity=Severity.CRITICAL if item.critical else Severity.HIGH,
        title=f"Deal {deal.name} is in stage {deal.stage}{age}{worth}",
        requires_attention=True,
        evidence=(cite(deal, "stage", at=stage_since(deal, facts.as_of)),),
    )


def _of_risk_signals(
    changes: tuple[DetectedChange, ...], risk_signals: RiskSignals, own_writes: Sequence[OwnWrite]
) -> Iterator[Finding]:
    drop = risk_signals.of("engagement_drop")
    if drop is not None:
        now, *before = (item.value for item in drop.evidence)
        title = "Contact has ended: there is no recent activity"
        if before:
            title = f"Contact dropped: {now} activities lately, {before[0]} in the time before"
        yield Finding(
            kind=drop.kind,
            severity=drop.severity,
            title=title,
            evidence=drop.evidence,
        )
    status = risk_signals.of("status_at_risk")
    if status is not None and not any(change.type == "status_change" for change in changes):
        yield Finding(
            kind=status.kind,
            severity=status.severity,
            title=f'The CRM has this account as "At Risk"{_whose(status.evidence, own_writes)}',
            requires_attention=True,
            evidence=status.evidence,
        )


def _whose(status: tuple[Evidence, ...], own_writes: Sequence[OwnWrite]) -> str:
    """Whether it stands there because somebody approved that here, since the last review."""
    ours = (last_written(one.record, one.field, own_writes) for one in status)
    return ", as was approved here" if AccountStatus.AT_RISK in ours else ""


def _owner(facts: Facts) -> Iterator[Finding]:
    owner = facts.snapshot.owner
    if owner is not None and not owner.active:
        yield Finding(
            kind="inactive_owner",
            severity=Severity.HIGH,
            title=f"The owner {owner.name} is no longer active",
            requires_attention=True,
            evidence=(cite(owner, "active", at=facts.snapshot.fetched_at),),
        )


def _overdue(facts: Facts) -> Iterator[Finding]:
    late = [task for task in facts.snapshot.tasks if _is_overdue(facts, task)]
    if late:
        count = f"{len(late)} follow-ups are" if len(late) > 1 else "A follow-up is"
        yield Finding(
            kind="overdue_follow_ups",
            severity=Severity.MEDIUM,
            title=f"{count} overdue",
            evidence=tuple(cite(task, "due_at", at=task.due_at) for task in late),
        )


def _is_overdue(facts: Facts, task: Task) -> bool:
    return _is_late(facts, task) and task_word(task.status) in OPEN_TASKS


def _is_late(facts: Facts, task: Task) -> bool:
    return task.due_at is not None and task.due_at < facts.as_of


_FIELDS = (
    ("status", "status", "The account's status is unknown", Severity.LOW),
    ("owner_id", "owner", "The account has no owner", Severity.MEDIUM),
    ("annual_revenue", "revenue", "The account's revenue is unknown", Severity.LOW),
)
"""Account fields without which a rule cannot judge."""


def _unknown(facts: Facts) -> Iterator[Finding]:
    yield from _unknown_contact(facts)
    yield from _unknown_deals(facts)
    yield from _unknown_tasks(facts)
    for field, what, title, severity in _FIELDS:
        if getattr(facts.account, field) is None:
            yield _missing(facts, what, field, title, severity=severity)
    if facts.contract_end is None:
        yield _missing(facts, "contract_end", "contract_end", "The contract's end is unknown")


def _unknown_contact(facts: Facts) -> Iterator[Finding]:
    recorded = facts.has(RecordType.ACTIVITY)
    if facts.idle is None:
        why = "the CRM shows no activity" if recorded else "this CRM holds no activities"
        yield _missing(
            facts,
            "last_activity",
            "last_activity_at",
            f"Nobody knows when the last contact was: {why}",
            severity=Severity.MEDIUM,
            attention=recorded,
        )
    if not recorded:
        title = "Engagement is unknown: this CRM holds no activities"
        yield _missing(facts, "engagement", "activities", title)


def _unknown_deals(facts: Facts) -> Iterator[Finding]:
    if not facts.has(RecordType.DEAL):
        yield _missing(facts, "deals", "deals", "Deals are unknown: this CRM holds none")
    elif not facts.deal_value_is_whole:
        title = "The value of the open deals is not fully known"
        yield _missing(facts, "deal_value", "amount", title)
    if facts.undated:
        yield Finding(
            kind="unknown_deal_stage_since",
            severity=Severity.LOW,
            title="It is unknown since when some open deals are in their stage",
            evidence=tuple(
                Evidence(record=ref(deal), field="stage_changed_at") for deal in facts.undated
            ),
        )


def _unknown_tasks(facts: Facts) -> Iterator[Finding]:
    """Tasks that are overdue unless their status, a word that nobody knows, means done."""
    known = (*OPEN_TASKS, *CLOSED_TASKS)
    unclear = [
        task
        for task in facts.snapshot.tasks
        if _is_late(facts, task) and task_word(task.status) not in known
    ]
    if unclear:
        yield Finding(
            kind="unknown_task_status",
            severity=Severity.LOW,
            title="It is unknown whether some follow-ups are done",
            evidence=tuple(cite(task, "status", at=task.due_at) for task in unclear),
        )


def _missing(
    facts: Facts,
    what: str,
    field: str,
    title: str,
    *,
    severity: Severity = Severity.LOW,
    attention: bool = False,
) -> Finding:
    return Finding(
        kind=f"unknown_{what}",
        severity=severity,
        title=title,
        requires_attention=attention,
        evidence=(Evidence(record=ref(facts.account), field=field, at=facts.snapshot.fetched_at),),
    )
