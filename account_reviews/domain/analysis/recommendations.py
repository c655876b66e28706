"""From drafts to recommendations: silence what was refused, weigh, rank, cut, fix the writes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from account_reviews.domain.analysis.confidence import assess_confidence
from account_reviews.domain.analysis.evidence import cite_memory, evidence_hash, ref
from account_reviews.domain.analysis.model import (
    Evidence,
    OpenTask,
    PriorOutcome,
    Recommendation,
    Reference,
    RiskLevel,
    Severity,
)
from account_reviews.domain.analysis.own_writes import open_copy
from account_reviews.domain.analysis.rules import RULES, Rule
from account_reviews.domain.analysis.rules.base import Context, Draft, Write
from account_reviews.domain.base import Model, Timestamp
from account_reviews.domain.memory import MemoryHit
from account_reviews.domain.policy.boundaries import crosses
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.proposals import (
    Action,
    Deferral,
    ItemState,
    ProposedChange,
    change_id,
    proposal_hash,
)
from account_reviews.domain.records import Task

PRIORITY_POINTS = {
    Severity.CRITICAL: 100, Severity.HIGH: 75, Severity.MEDIUM: 50, Severity.LOW: 25,
}  # fmt: skip
TITLE_KEY = 50
_UNDECIDED = (ItemState.PROPOSED, ItemState.SKIPPED, ItemState.SUPERSEDED)
"""States of changes that ended without anybody's decision."""


class Composed(Model):
    """What the rules answer for one account."""

    recommendations: tuple[Recommendation, ...] = ()
    changes: tuple[ProposedChange, ...] = ()
    quiet: tuple[str, ...] = ()
    open_tasks: tuple[OpenTask, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """A recommendation with the writes that are left of its draft."""

    recommendation: Recommendation
    changes: tuple[ProposedChange, ...]


def compose(
    context: Context,
    prior: tuple[PriorOutcome, ...],
    observed_at: Timestamp,
    rules: tuple[Rule, ...] = RULES,
) -> Composed:
    """Run the rules. `observed_at` is when the CRM's answer was true."""
    newest = last_words(prior)
    quiet: list[str] = []
    standing: dict[str, OpenTask] = {}
    found: list[_Candidate] = []
    for rule in rules:
        for draft in rule.propose(context):
            changes, silenced, tasks = _settle(context, rule, draft, newest)
            standing |= {str(task.record.id): task for task in tasks}
            if draft.writes and not changes:
                quiet += [draft.title] if silenced else []
                continue
            quiet += silenced
            references = _references(context, rule, draft, changes, observed_at)
            if references:
                weighed = _weigh(context, rule, draft, changes, references, prior=prior)
                found.append(_Candidate(weighed, _with_confidence(weighed, changes)))
    chosen = _choose(found, context)
    changes = _one_per_record(chosen)
    kept = {change.change_id for change in changes}
    return Composed(
        recommendations=tuple(_only(item.recommendation, kept) for item in chosen),
        changes=changes,
        quiet=tuple(dict.fromkeys(quiet)),
        open_tasks=tuple(standing.values()),
    )


@dataclass(frozen=True)
class LastWord:
    """The last decision on a change. `superseded`: its review took it back since."""

    outcome: PriorOutcome
    superseded: bool = False

    def holds(self, evidence: str) -> bool:
        """What was taken back comes to mind again only while it is about the same evidence."""
        return not self.superseded or self.outcome.evidence_hash == evidence


def last_words(prior: Iterable[PriorOutcome]) -> dict[str, LastWord]:
    """The last word on each change. A cancelled or superseded review says nothing of it: what was
    decided before stands."""
    found: dict[str, LastWord] = {}
    for one in sorted(prior, key=lambda item: item.at):
        before = found.get(one.change_id)
        if one.state not in _UNDECIDED:
            found[one.change_id] = LastWord(one)
        elif before is not None and one.state == ItemState.SUPERSEDED:
            found[one.change_id] = LastWord(before.outcome, superseded=True)
    return found


def is_silenced(
    outcome: PriorOutcome, evidence: str, level: RiskLevel, as_of: Timestamp, policy: Policy
) -> bool:
    """Whether a change stays away: done or refused lately, on the same evidence."""
    age = as_of - (outcome.clock_at or outcome.at)
    if evidence != outcome.evidence_hash or not crosses("quiet", age, policy):
        return False
    if outcome.state == ItemState.EXECUTED:
        return True
    return is_refused(outcome, policy) and outcome.risk_level is level


def is_refused(outcome: PriorOutcome, policy: Policy) -> bool:
    """A person said no or took it back, or nobody answered and the policy takes that for a no."""
    if outcome.state == ItemState.EXPIRED:
        return (outcome.on_timeout or policy.approvals.on_timeout) == "reject"
    return outcome.state in (ItemState.REJECTED, ItemState.UNDONE)


def is_put_off(outcome: PriorOutcome, policy: Policy) -> bool:
    """A person deferred it, or nobody answered and the policy takes that for later."""
    if outcome.state == ItemState.EXPIRED:
        return (outcome.on_timeout or policy.approvals.on_timeout) == "defer"
    return outcome.state == ItemState.DEFERRED


def urgency(
    kind: str,
    priority: Severity,
    confidence: float,
    *,
    expires_at: Timestamp,
    as_of: Timestamp,
    policy: Policy,
) -> float:
    """What recommendations are sorted by: priority, confidence, time left, times the type."""
    weights = policy.urgency
    days = (expires_at - as_of).total_seconds() / 86_400
    time = next((points for limit, points in ((1, 100), (3, 75), (7, 50)) if days <= limit), 25)
    base = (
        weights.priority_weight * PRIORITY_POINTS[priority]
        + weights.confidence_weight * confidence * 100
        + weights.time_weight * time
    )
    return round(base * getattr(weights.factors, kind, 1.0), 2)


def still_valid(
    recommendations: Iterable[Recommendation], as_of: Timestamp
) -> tuple[Recommendation, ...]:
    """Those that have not expired."""
    return tuple(item for item in recommendations if item.expires_at > as_of)


def reference_to(evidence: Evidence, context: Context, observed_at: Timestamp) -> Reference:
    """A CRM fact as a source. Its time is when the CRM said so: an old fact can be fresh."""
    return Reference(
        source_type="crm",
        source_id=context.facts.snapshot.source,
        entity_type=evidence.record.type,
        entity_id=evidence.record.id,
        field=evidence.field,
        timestamp=observed_at,
        fresh=crosses("fresh", context.as_of - observed_at, context.policy),
        evidence=evidence,
    )


def _remembered(hit: MemoryHit, context: Context) -> Reference:
    return Reference(
        source_type="memory",
        source_id=hit.id,
        entity_type=hit.kind,
        entity_id=hit.source.record_id,
        timestamp=hit.occurred_at,
        fresh=crosses("fresh", context.as_of - hit.occurred_at, context.policy),
        evidence=cite_memory(hit),
    )


def _settle(
    context: Context, rule: Rule, draft: Draft, newest: dict[str, LastWord]
) -> tuple[tuple[ProposedChange, ...], list[str], list[OpenTask]]:
    """The writes to propose now, the titles of those a person refused lately, and the tasks that
    stand open in the CRM."""
    changes: list[ProposedChange] = []
    silenced: list[str] = []
    tasks: list[OpenTask] = []
    for write in _once(context, rule, draft.writes):
        change = _fix(context, rule, draft, write)
        task = open_copy(change, context.facts.snapshot.tasks, context.own_writes)
        if task is not None:
            tasks.append(_open_task(task, change))
            continue
        word = newest.get(change.change_id)
        if word is None or not word.holds(change.evidence_hash):
            changes += [change] if write.live else []
            continue
        policy, outcome = context.policy, word.outcome
        if is_silenced(outcome, change.evidence_hash, context.risk.level, context.as_of, policy):
            silenced += [write.title] if write.live and is_refused(outcome, policy) else []
        elif is_put_off(outcome, policy):
            again = Deferral(by=outcome.by or "nobody", at=outcome.at, reason=outcome.reason)
            changes.append(change.model_copy(update={"deferred": again}))
        elif write.live or outcome.state == ItemState.FAILED:
            changes.append(change)
    return tuple(changes), silenced, tasks


def _open_task(task: Task, change: ProposedChange) -> OpenTask:
    return OpenTask(
        record=ref(task),
        subject=task.subject,
        due_at=task.due_at,
        owner_id=task.owner_id,
        change_id=change.change_id,
    )


def _once(context: Context, rule: Rule, writes: tuple[Write, ...]) -> Iterable[Write]:
    """Each change once: two facts that call for the same one are the evidence of it."""
    found: dict[str, Write] = {}
    for write in writes:
        named = _name(context, rule, write)
        first = found.setdefault(named, write)
        if first is not write:
            evidence = tuple(dict.fromkeys((*first.evidence, *write.evidence)))
            live = first.live or write.live
            found[named] = replace(first, evidence=evidence, live=live)
    return found.values()


def _name(context: Context, rule: Rule, write: Write) -> str:
    return change_id(write.action, write.record, context.account.id, rule.name, write.after)


def _fix(context: Context, rule: Rule, draft: Draft, write: Write) -> ProposedChange:
    account_id = context.account.id
    return ProposedChange(
        change_id=_name(context, rule, write),
        action=write.action,
        account_id=account_id,
        record=write.record,
        before=write.before,
        after=write.after,
        hash=proposal_hash(write.action, write.record, write.before, write.after),
        rule=rule.name,
        recommendation_id=_id(context, rule, draft),
        title=write.title,
        rationale=write.rationale,
        evidence_hash=evidence_hash(write.evidence),
        due_in_seconds=int(write.due_in.total_seconds()) if write.due_in else None,
    )


def _references(
    context: Context,
    rule: Rule,
    draft: Draft,
    changes: tuple[ProposedChange, ...],
    observed_at: Timestamp,
) -> tuple[Reference, ...]:
    """Every source of a draft and of the writes that are left of it, once."""
    kept = {change.change_id for change in changes}
    evidence = [*draft.evidence, *_evidence_of(context, rule, draft, kept)]
    sources = [
        *(reference_to(item, context, observed_at) for item in evidence),
        *(_remembered(hit, context) for hit in draft.memory),
    ]
    once = {(item.source_id, item.entity_id, item.field): item for item in sources}
    return tuple(once.values())


def _weigh(
    context: Context,
    rule: Rule,
    draft: Draft,
    changes: tuple[ProposedChange, ...],
    references: tuple[Reference, ...],
    *,
    prior: tuple[PriorOutcome, ...],
) -> Recommendation:
    as_of, policy, priority = context.as_of, context.policy, draft.priority
    confidence = assess_confidence(
        draft.type,
        priority,
        references,
        draft.pattern,
        prior=prior,
        as_of=as_of,
        policy=policy,
    )
    overall = confidence.overall
    expires_at = as_of + getattr(policy.recommendations.expiry, priority.value)
    return Recommendation(
        id=_id(context, rule, draft),
        type=draft.type,
        rule=rule.name,
        title=draft.title,
        rationale=draft.rationale,
        priority=priority,
        urgency=urgency(
            draft.type, priority, overall, expires_at=expires_at, as_of=as_of, policy=policy
        ),
        confidence=confidence,
        references=references,
        next_steps=draft.steps,
        generated_at=as_of,
        expires_at=expires_at,
        estimated_effort_minutes=draft.minutes,
        change_ids=tuple(change.change_id for change in changes),
        deferred=next((change.deferred for change in changes if change.deferred), None),
    )


def _evidence_of(context: Context, rule: Rule, draft: Draft, kept: set[str]) -> Iterable[Evidence]:
    for write in draft.writes:
        if _name(context, rule, write) in kept:
            yield from write.evidence


def _with_confidence(
    recommendation: Recommendation, changes: tuple[ProposedChange, ...]
) -> tuple[ProposedChange, ...]:
    """How sure the rules are travels with each write: it may decide on who must agree."""
    known = {"confidence": recommendation.confidence.overall}
    return tuple(change.model_copy(update=known) for change in changes)


def _choose(found: list[_Candidate], context: Context) -> list[_Candidate]:
    """Valid, confident enough, each once, most urgent first, no more than allowed."""
    policy = context.policy
    valid = {item.id for item in still_valid((c.recommendation for c in found), context.as_of)}
    chosen: dict[tuple[str, str], _Candidate] = {}
    for candidate in sorted(found, key=_rank):
        item = candidate.recommendation
        if item.id in valid and crosses("confident_enough", item.confidence.overall, policy):
            chosen.setdefault((item.type, item.title[:TITLE_KEY]), candidate)
    return list(chosen.values())[: policy.recommendations.max]


def _rank(candidate: _Candidate) -> tuple[float, str]:
    return -candidate.recommendation.urgency, candidate.recommendation.id


def _one_per_record(chosen: list[_Candidate]) -> tuple[ProposedChange, ...]:
    """Each change once, and one update per record: a second one would meet a newer version.

    A new owner goes first; what is left over still holds at the next review.
    """
    everything = [change for candidate in chosen for change in candidate.changes]
    first: dict[tuple[str, str | None], str] = {}
    for change in sorted(everything, key=lambda item: item.action is not Action.CHANGE_OWNER):
        if not change.action.creates:
            first.setdefault((change.record.type, change.record.id), change.change_id)
    kept: dict[str, ProposedChange] = {}
    for change in everything:
        place = (change.record.type, change.record.id)
        if change.action.creates or first[place] == change.change_id:
            kept.setdefault(change.change_id, change)
    return tuple(kept.values())


def _only(recommendation: Recommendation, kept: set[str]) -> Recommendation:
    ids = tuple(item for item in recommendation.change_ids if item in kept)
    return recommendation.model_copy(update={"change_ids": ids})


def _id(context: Context, rule: Rule, draft: Draft) -> str:
    return f"{context.account.id}-{rule.code}-{draft.number:03d}"
