"""A review as a person reads it in a terminal: lines of at most 80 columns. Pure."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from account_reviews.presentation.approval_page import cited, scored, wrapped
from account_reviews.presentation.stuck_documents import failing_lines
from account_reviews.presentation.terms import outcome_of

if TYPE_CHECKING:
    from account_reviews.domain.analysis.model import Analysis
    from account_reviews.domain.review.state import ReviewState
    from account_reviews.presentation.words import Words

_STANDINGS: Final = {
    "paused": "paused in Temporal; unpause it: temporal workflow unpause -w {review_id}",
    "gone": "gone: Temporal does not know it any more; end it: "
    "reviews cancel {review_id} --run {run_id}",
    "terminated": "terminated in Temporal",
    "timed_out": "timed out in Temporal",
    "failed": "failed in Temporal",
}


def title(state: "ReviewState", words: "Words") -> str:
    """ "Fjord Optics (ac-038), of Tomas Brekke"."""
    name, owner = None, None
    if state.snapshot is not None:
        name = state.snapshot.account_name
        owner = state.snapshot.owner_name or words.people.get(state.snapshot.owner_id or "")
    return words.account(name, state.account_id) + (f", of {owner}" if owner else "")


def standing(state: "ReviewState", document: Mapping[str, Any], words: "Words") -> str:
    """How it stands: "waiting since Thu 1 Oct, 09:00", "completed Thu 1 Oct, 09:00"."""
    if state.outcome is not None:
        when = f" {words.moment(state.closed_at)}" if state.closed_at is not None else ""
        ended = outcome_of(state.outcome, plan_only=state.plan_only)
        return f"{ended}{when}" + (f": {state.reason}" if state.reason else "")
    status, phase = words.term(document["status"]), words.term(state.phase)
    said = status if status == "waiting" else f"{status}, {phase}"
    return f"{said}, started {words.moment(state.started_at)}"


def review_lines(
    state: "ReviewState",
    analysis: "Analysis | None",
    document: Mapping[str, Any],
    words: "Words",
    *,
    control: "Iterator[str] | tuple[str, ...]" = (),
) -> Iterator[str]:
    """Everything about one review. `document` is that of `show`; `control` what was said to it."""
    yield from wrapped(title(state, words))
    yield from wrapped(standing(state, document, words), "  ")
    yield from _undone(document)
    if analysis is not None:
        previous = analysis.risk.previous
        before = previous.score if previous else None
        yield from wrapped(scored(analysis, words, before), "  ")
    if document["degraded"]:
        yield from wrapped(f"degraded: {', '.join(document['missing_sources'])} missing", "  ")
    if document["source"] == "projection" and document["closed_at"] is None:
        yield f"  as it was saved {words.span(document['age_seconds'])} ago"
    if document["archived"]:
        yield f"  archived {words.moment(document['archived']['at'])}: its rows were removed"
    yield from _failing(document, words)
    if document["halted"]:
        halt = document["halted"]
        since = f"{words.person(halt['by'])} since {words.moment(halt['at'])}"
        yield from wrapped(f"writes are stopped by {since}: {halt['reason']}", "  ")
    yield from control
    yield from _found(state, analysis, words)
    yield from _changes(state, words)


def _undone(document: Mapping[str, Any]) -> Iterator[str]:
    undoes = document["undoes"]
    if undoes is not None:
        because = f" ({undoes['reason']})" if undoes["reason"] else ""
        yield from wrapped(f"takes back what an earlier review wrote: {undoes['title']}{because}",
                           "  ")  # fmt: skip


def _failing(document: Mapping[str, Any], words: "Words") -> Iterator[str]:
    """What was done to it in Temporal, and what it fails at."""
    if document["temporal_status"] in _STANDINGS:
        yield f"  {_STANDINGS[document['temporal_status']].format(**document)}"
    if document["kind"] == "recovery":
        yield "  it was reset in Temporal, and goes on from there"
    for line in failing_lines(document["failing"], words):
        yield from wrapped(line, "  ")


def _found(state: "ReviewState", analysis: "Analysis | None", words: "Words") -> Iterator[str]:
    findings = (*(analysis.findings if analysis is not None else ()), *state.findings)
    if findings:
        yield "  found:"
    for finding in findings:
        yield from wrapped(f"- {finding.title} ({words.term(finding.severity)})", "    ")
        for evidence in finding.evidence:
            if (text := cited(evidence, words)) is not None:
                yield from wrapped(text, "      ")


def _changes(state: "ReviewState", words: "Words") -> Iterator[str]:
    """Each proposed change with what became of it, under the number that `--item` takes."""
    if state.changes:
        yield "  changes:"
    for place, (change, became) in enumerate(state.changes, 1):
        told = f"{place}. {words.term(became)}: {words.change(state.told(change))}"
        yield from wrapped(told, "    ")
