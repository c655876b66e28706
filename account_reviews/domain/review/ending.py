"""How a review ends: its outcome from the states of its items, and what memory keeps of it."""

from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.memory import MemoryItem, MemoryKind, MemorySource
from account_reviews.domain.person_names import name_of
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.bounds import cut
from account_reviews.domain.review.control import outcome_wanted
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewResult, ReviewState
from account_reviews.domain.vocabulary import outcome_of as in_words
from account_reviews.domain.vocabulary import term_of


def is_remembered(state: ReviewState) -> bool:
    """Whether the memory gets this review: it is closed, had an analysis and asked somebody.

    Reviews of the first logic remember in a step of their own.
    """
    ended = state.outcome is not None and state.analysis is not None and not state.plan_only
    return ended and state.follows(2)


def outcome_of(state: ReviewState) -> Outcome:
    """The outcome once nothing is open any more (the table of docs/design.md)."""
    if state.cancel is not None:
        return Outcome.CANCELLED
    if state.closing is not None:
        return outcome_wanted(state.closing)
    every = [item_state for _, item_state in state.changes if state.requests]
    states = [one for one in every if one is not ItemState.SUPERSEDED]
    if not states or state.plan_only:
        return Outcome.NOTHING_TO_DO
    if ItemState.EXECUTED in states:
        return Outcome.COMPLETED
    if ItemState.SKIPPED in states:
        return Outcome.COMPLETED
    if ItemState.FAILED in states:
        return Outcome.FAILED
    if ItemState.DEFERRED in states:
        return Outcome.DEFERRED
    if ItemState.EXPIRED in states:
        return Outcome.EXPIRED
    return Outcome.REJECTED


def outcome_again(state: ReviewState, outcome: Outcome) -> Outcome:
    """The outcome after it was looked up what stands: one by decisions may have become another."""
    by_decisions = (Outcome.REJECTED, Outcome.DEFERRED, Outcome.EXPIRED, Outcome.FAILED)
    executed = any(one is ItemState.EXECUTED for _, one in state.changes)
    return Outcome.COMPLETED if outcome in by_decisions and executed else outcome


def summarise(state: ReviewState) -> str:
    """One sentence for lists, the Temporal UI and memory; that of whoever closed it comes first."""
    if state.closing is not None and state.closing.summary:
        return cut(state.closing.summary)
    counted: dict[ItemState, int] = {}
    for _, item_state in state.changes:
        counted[item_state] = counted.get(item_state, 0) + 1
    counts = ", ".join(f"{number} {term_of(name)}" for name, number in sorted(counted.items()))
    changes = f"{len(state.changes)} proposed change{'s' if len(state.changes) != 1 else ''}"
    found = state.analysis.summary if state.analysis is not None else "no analysis"
    ending = in_words(state.outcome, plan_only=state.plan_only) or term_of(state.phase)
    if state.reason:
        ending += f" ({state.reason})"
    return f"{ending}: {found}; {changes}" + (f": {counts}" if counts else "")


def memory_items(state: ReviewState) -> tuple[MemoryItem, ...]:
    """What the next review should know: the review itself and each decision."""
    at = state.closed_at or state.updated_at
    source = MemorySource(system="reviews", record_id=f"{state.review_id}#{state.run_id}")
    review = MemoryItem(
        account_id=state.account_id,
        kind=MemoryKind.REVIEW,
        title=f"{'Undo in' if state.undo else 'Review of'} {_account_name(state)}",
        text=summarise(state),
        occurred_at=at,
        source=source,
        attributes={
            "outcome": state.outcome,
            "risk_level": state.analysis.risk_level if state.analysis else None,
            "health_band": state.analysis.health_band if state.analysis else None,
            "kind": state.kind,
        },
    )
    decisions = [
        MemoryItem(
            account_id=state.account_id,
            kind=MemoryKind.DECISION,
            title=item.change.title,
            text=f"{term_of(item.state)} by {_called(state, item.decided_by)}"
            + (f": {item.reason}" if item.reason else "")
            + f". {item.change.rationale}",
            occurred_at=item.decided_at or at,
            source=source,
            attributes={
                "change_id": item.item_id,
                "action": item.change.action,
                "state": item.state,
                "by": item.decided_by,
                "request_id": request.request_id,
                "decided_at": rfc3339(item.decided_at) if item.decided_at else None,
            },
        )
        for request in state.requests
        for item in request.items
        if item.decided_by is not None and item.state is not ItemState.SUPERSEDED
    ]
    return (review, *decisions)


def _called(state: ReviewState, who: str) -> str:
    """The owner by name, who may have decided under an id, or a name in other letters."""
    read = state.snapshot
    if read is None or read.owner_name is None or read.owner_id is None:
        return who
    return name_of(who, {read.owner_id: read.owner_name})


def _account_name(state: ReviewState) -> str:
    return (state.snapshot.account_name if state.snapshot else None) or state.account_id


def result_of(state: ReviewState) -> ReviewResult:
    """What a closed review answers. The review must be closed."""
    assert state.outcome is not None
    assert state.closed_at is not None
    return ReviewResult(
        review_id=state.review_id,
        run_id=state.run_id,
        account_id=state.account_id,
        phase=state.phase,
        status=state.status,
        outcome=state.outcome,
        summary=state.summary,
        changes={change.change_id: item_state for change, item_state in state.changes},
        counters=state.counters,
        policy_hash=state.analysis.policy_hash if state.analysis else None,
        analysis_hash=state.analysis.hash if state.analysis else None,
        started_at=state.started_at,
        finalized_at=state.closed_at,
        duration_seconds=(state.closed_at - state.started_at).total_seconds(),
    )
