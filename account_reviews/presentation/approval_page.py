"""An approval request as a person reads it in a terminal: lines of at most 80 columns. Pure."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from account_reviews.domain.analysis.evidence import same_moment
from account_reviews.domain.characters import shown_on_one_line
from account_reviews.domain.review.terms import RACE
from account_reviews.presentation import wrapping
from account_reviews.presentation.next_steps import people
from account_reviews.presentation.terms import EMPTY

if TYPE_CHECKING:
    from account_reviews.domain.analysis.model import Analysis, Evidence, Reference
    from account_reviews.domain.base import Scalar
    from account_reviews.domain.proposals import ProposedChange
    from account_reviews.domain.review.approvals import ApprovalRequest, Item, RecordedDecision
    from account_reviews.domain.review.past_decisions import PastDecision
    from account_reviews.presentation.words import Words

WIDTH: Final = 79
_FINDINGS: Final = 12
_SOURCES: Final = 6
_SAID_ABOVE: Final = ("subject", "title", "due_at", "owner_id")
"""What the heading of a record to be created says already."""
_VERBS: Final = {
    "approve": "Approved", "adjust": "Approved with changes",
    "reject": "Rejected", "defer": "Put off",
}  # fmt: skip
_AFTER_APPROVAL: Final = ("executed", "failed", "skipped", "superseded", "undone")
"""What becomes of a change once somebody has approved it."""
_ADDRESSES: Final = ("id", "external_id")
"""Fields whose value tells a person nothing beyond the record's name."""


def heading(request: "ApprovalRequest", name: str | None, words: "Words") -> str:
    """ "Fjord Optics (ac-038): 5 changes wait for Tomas Brekke"."""
    account = words.account(name, request.account_id)
    left = sum(item.is_open for item in request.items)
    if not request.is_pending:
        return f"{account}: {words.term(request.state)}"
    verb = "waits" if left == 1 else "wait"
    who = people(request.approvers, words.person)
    return f"{account}: {words.count(left, 'change')} {verb} for {who}"


def needed(request: "ApprovalRequest", words: "Words") -> str:
    """What it takes to approve, with names."""
    text, required = request.needed, request.required
    asked = {*required.of, *(one for members in required.groups.values() for one in members)}
    for name in sorted(asked, key=len, reverse=True):
        text = text.replace(name, words.person(name))
    return text


def request_lines(
    request: "ApprovalRequest",
    analysis: "Analysis | None",
    words: "Words",
    *,
    name: str | None = None,
    short_id: str | None = None,
) -> list[str]:
    """Whose request it is, how urgent, and what was found. `name`: of the account."""
    known = analysis.account_name if analysis is not None else None
    lines = wrapped(heading(request, name or known, words))
    if request.is_pending:
        when = f"{words.moment(request.deadline)}, {words.distance(request.deadline)}"
        if request.deadline < words.now:
            when += ": the deadline has passed"
        lines += wrapped(f"due {when}; {needed(request, words)}", "  ")
    lines += wrapped(f"request {short_id or request.request_id}", "  ")
    if request.terms.version_check == "compared":
        lines += wrapped(RACE, "  ")
    if analysis is not None:
        lines += wrapped(judged(analysis, words), "  ")
        lines += _findings(analysis, words)
    return lines


def item_lines(
    item: "Item", place: int, count: int, words: "Words", analysis: "Analysis | None" = None
) -> list[str]:
    """One change: what it does, why, what differs, and from which sources that is known."""
    change = item.change
    lines = [
        *wrapped(f"Item {place} of {count}: {words.change(change)}"),
        *(wrapped(standing, "  ") if (standing := _standing(item, words)) else ()),
        *wrapped(f"why: {words.prose(change.rationale)}", "  "),
    ]
    if change.author is not None:
        lines += wrapped(f"proposed by {words.person(change.author)}", "  ")
    if change.deferred is not None:
        put_off = change.deferred
        lines += wrapped(f"put off by {words.person(put_off.by)} on {words.day(put_off.at)}", "  ")
    if item.approvals and item.is_open:
        names = ", ".join(map(words.person, item.approvals))
        lines += wrapped(f"approved so far by {names}", "  ")
    return [*lines, *diff_lines(change, words, item.original), *_evidence(change, analysis, words)]


def _standing(item: "Item", words: "Words") -> str:
    """What became of it already, nothing while it is open."""
    if item.is_open:
        return ""
    reason = f": {words.reason(item.reason)}" if item.reason else ""
    return f"{_became(item, words)}{reason}"


def _became(item: "Item", words: "Words") -> str:
    """ "rejected by Ann Lee"; "written, approved by Ann Lee", since programs write."""
    state = words.term(item.state)
    if not item.decided_by:
        return state
    approved = ", approved" if item.state in _AFTER_APPROVAL else ""
    return f"{state}{approved} by {words.person(item.decided_by)}"


def late_line(
    request: "ApprovalRequest", item_ids: Sequence[str] | None, words: "Words"
) -> str | None:
    """What was decided before somebody else came: "decided already: ...: rejected by Ann Lee".

    None where nothing of it was.
    """
    if item_ids is None and not request.is_pending:
        last = request.decisions[-1] if request.decisions and request.state != "expired" else None
        by = f" by {words.person(last.by)}" if last else ""
        when = f", {words.moment(request.closed_at)}" if request.closed_at else ""
        return f"the request is already {words.term(request.state)}{by}{when}"
    closed = (one for one in request.items if not one.is_open)
    item = next((one for one in closed if one.item_id in (item_ids or ())), None)
    if item is None:
        return None
    when = f", {words.moment(item.decided_at)}" if item.decided_at is not None else ""
    reason = f": {words.reason(item.reason)}" if item.reason else ""
    told = words.change(item.change)
    return f"decided already: {told}: {_became(item, words)}{when}{reason}"


def diff_lines(
    change: "ProposedChange", words: "Words", original: "ProposedChange | None" = None
) -> list[str]:
    """What is written beyond what the heading says, with what was proposed before an adjustment."""
    lines: list[str] = []
    rows = words.differences(change)
    labels = {words.field(name): name for name in change.after}
    alone = len(rows) == 1
    for row in rows:
        name = labels.get(row.label, row.label)
        was = _proposed(name, change.after, original, words)
        if change.action.creates:
            if name in _SAID_ABOVE and not was:
                continue
            text = f"{row.label}: {row.after or EMPTY}"
        elif alone and not was:
            continue
        else:
            before, after = row.before or EMPTY, row.after or EMPTY
            text = f"{row.label}: {before} \N{RIGHTWARDS ARROW} {after}"
        lines += wrapped(text + was, "  ")
    return lines


def _proposed(
    name: str,
    after: "Mapping[str, Scalar]",
    original: "ProposedChange | None",
    words: "Words",
) -> str:
    if original is None or original.after.get(name) == after.get(name):
        return ""
    return f" (proposed was {words.proposed(original, name)})"


def decision_line(decision: "RecordedDecision", words: "Words") -> str:
    """ "Approved by Tomas Brekke, Thu 1 Oct, 09:00: they renewed by phone"."""
    of = f" on behalf of {words.person(decision.on_behalf_of)}" if decision.on_behalf_of else ""
    reason = f": {decision.reason}" if decision.reason else ""
    verb = _VERBS.get(str(decision.decision), str(decision.decision))
    return f"{verb} by {words.person(decision.by)}{of}, {words.moment(decision.at)}{reason}"


def next_lines(request: "ApprovalRequest", name: str) -> list[str]:
    """What whoever was asked types next."""
    who = shlex.quote(request.approvers[0]) if len(request.approvers) == 1 else "NAME"
    one = "; --item 1 for a single change" if len(request.items) > 1 else ""
    return [
        f"Next: reviews approvals approve {shlex.quote(name)} --as {who}",
        f"  also: adjust, reject, defer{one}",
    ]


def past_lines(past: Sequence["PastDecision"], words: "Words") -> list[str]:
    """Who decided what on this account before, the newest first."""
    if not past:
        return []
    lines = ["Before, on this account:"]
    for one in past:
        when = f"{words.day(one.at)}, " if one.at is not None else ""
        by = f" by {words.person(one.by)}" if one.by else ""
        because = f" ({one.reason})" if one.reason else ""
        lines += wrapped(f"{when}{words.term(one.state)}{by}: {one.title}{because}", "  ")
    return lines


def scored(analysis: "Analysis", words: "Words", before: int | None = None) -> str:
    """ "risk high, 70 of 100 (was 60); health fragile, 40 of 100". `before`: the risk it had."""
    risk, health = analysis.risk, analysis.health
    points = "" if risk.score is None else f", {risk.score} of 100"
    was = "" if before is None or before == risk.score else f" (was {before})"
    state = "" if health.score is None else f", {health.score:g} of 100"
    return f"risk {words.term(risk.level)}{points}{was}; health {words.term(health.band)}{state}"


def judged(analysis: "Analysis", words: "Words") -> str:
    """ "risk high, 70 of 100; health fragile, 40 of 100; not read: memory"."""
    text = scored(analysis, words)
    if analysis.missing_sources:
        text += f"; not read: {', '.join(analysis.missing_sources)}"
    return text


def _findings(analysis: "Analysis", words: "Words") -> Iterator[str]:
    if not analysis.findings:
        return
    yield "  found:"
    for finding in analysis.findings[:_FINDINGS]:
        yield from wrapped(f"- {finding.title} ({words.term(finding.severity)})", "    ")
        for evidence in finding.evidence:
            if (text := cited(evidence, words)) is not None:
                yield from wrapped(text, "      ")
    more = len(analysis.findings) - _FINDINGS
    if more > 0:
        yield f"    and {more} more, see `reviews brief {analysis.account_id}`"


def cited(evidence: "Evidence", words: "Words") -> str | None:
    """Record, field, value and time of a fact; None where its record says all of it."""
    record, name = evidence.record, evidence.field
    where = f"{record.name} ({record.type})" if record.name else f"{record.type} {record.id or ''}"
    when = f", {words.when(evidence.at)}" if evidence.at is not None else ""
    if evidence.before is None and evidence.after is None:
        if name in _ADDRESSES:
            return None
        if same_moment(evidence.value, evidence.at):
            when = ""  # the value is that time
        what = words.value(name, evidence.value)
    elif name in _ADDRESSES:
        return None
    else:
        what = words.moved(name, evidence.before, evidence.after)
    return f"{where.rstrip()}, {words.field(name)}: {what}{when}"


def _evidence(
    change: "ProposedChange", analysis: "Analysis | None", words: "Words"
) -> Iterator[str]:
    """What the change is based on. What a reference points at is told with its value."""
    if analysis is None:
        return
    of_it = (one for one in analysis.recommendations if one.id == change.recommendation_id)
    behind = next(of_it, None)
    if behind is None:
        return
    sure = f"{words.term(behind.confidence.level)} ({words.percent(behind.confidence.overall)})"
    yield from wrapped(f"confidence {sure}", "  ")
    known = {(one.record.id, one.field): one for one in _all_evidence(analysis)}
    told: list[str] = []
    for reference in behind.references:
        text = _source(reference, known, change, analysis, words)
        if text is not None and text not in told:
            told.append(text)
    for text in told[:_SOURCES]:
        yield from wrapped(f"evidence: {text}", "  ")
    if len(told) > _SOURCES:
        yield f"  and {len(told) - _SOURCES} more sources"


def _source(
    reference: "Reference",
    known: "Mapping[tuple[str | None, str], Evidence]",
    change: "ProposedChange",
    analysis: "Analysis",
    words: "Words",
) -> str | None:
    old = " (old)" if reference.fresh is False else ""
    found = reference.evidence or known.get((reference.entity_id, reference.field or ""))
    if found is not None:
        text = cited(found, words)
        return None if text is None else f"{text}{old}"
    where = f"{reference.entity_type} {reference.entity_id or ''}".rstrip()
    if reference.entity_id == analysis.account_id:
        where = f"{analysis.account_name} ({reference.entity_type})"
    name = reference.field or ""
    text = f"{where}, {words.field(name)}" if name else where
    for one in (change, *analysis.proposed_changes):
        if reference.entity_id == one.record.id and name in one.before:
            text += f": {words.value(name, one.before[name])}"
            break
    when = f", {words.day(reference.timestamp)}" if reference.timestamp is not None else ""
    return f"{text}{when}{old}"


def _all_evidence(analysis: "Analysis") -> "Iterable[Evidence]":
    for contribution in (*analysis.risk.contributions, *analysis.health.contributions):
        yield from contribution.evidence
    for finding in analysis.findings:
        yield from finding.evidence


def wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of WIDTH columns; what goes on stands deeper. Without text one empty line."""
    return wrapping.wrapped(shown_on_one_line(text), WIDTH, indent=indent, hanging=f"{indent}    ")
