"""An approval request as a person reads it in a terminal: lines of at most 80 columns. Pure."""

import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from account_reviews.domain.characters import shown_on_one_line
from account_reviews.domain.review.terms import RACE

if TYPE_CHECKING:
    from account_reviews.domain.analysis.model import Analysis, Evidence, Recommendation
    from account_reviews.domain.proposals import ProposedChange
    from account_reviews.domain.review.approvals import ApprovalRequest, Item

WIDTH: Final = 79
_SECOND_COLUMN: Final = "\uffff"
"""Is no sign, and in no text that is shown."""
_FINDINGS: Final = 12
_SOURCES: Final = 6


def request_lines(
    request: "ApprovalRequest", analysis: "Analysis | None", now: datetime
) -> list[str]:
    """Whose request it is, how urgent, and what was found."""
    name = f"{analysis.account_name} ({request.account_id})" if analysis else request.account_id
    due = f"{request.deadline:%Y-%m-%d %H:%MZ}"
    lines = [
        *wrapped(name),
        *wrapped(f"due {due} ({_left(request.deadline - now)}); {request.needed}", "  "),
        *wrapped(f"asked: {', '.join(request.approvers) or 'nobody in particular'}", "  "),
        *wrapped(f"request {request.request_id} of {request.review_id}", "  "),
        *(wrapped(RACE, "  ") if request.terms.version_check == "compared" else ()),
    ]
    if analysis is not None:
        lines += wrapped(_judged(analysis), "  ")
        lines += _findings(analysis)
    return lines


def item_lines(
    item: "Item", place: int, count: int, analysis: "Analysis | None" = None
) -> list[str]:
    """One write: what, why, from which sources, and each field before and after."""
    change = item.change
    record = change.record
    target = f" of {record.type} {record.name or record.id}" if record.id else ""
    lines = [
        *wrapped(f"Item {place} of {count}: {change.title}"),
        *wrapped(f"{change.action}{target}, item {item.item_id}", "  "),
        *wrapped(f"why: {change.rationale}", "  "),
    ]
    if change.author is not None:
        lines += wrapped(f"proposed by {change.author}", "  ")
    if change.deferred is not None:
        put_off = change.deferred
        lines += wrapped(f"put off by {put_off.by} on {put_off.at:%Y-%m-%d}", "  ")
    if item.approvals:
        lines += wrapped(f"approved so far by {', '.join(item.approvals)}", "  ")
    lines += _sources(_behind(change, analysis))
    return [*lines, *diff_lines(change, item.original)]


def diff_lines(change: "ProposedChange", original: "ProposedChange | None" = None) -> list[str]:
    """A line for each field that is written, with what was proposed before an adjustment."""
    lines: list[str] = []
    for name, after in change.shown.items():
        text = f"{name}: {quoted(change.before.get(name))} -> {_new(change, name, after)}"
        if original is not None and original.after.get(name) != change.after.get(name):
            text += f" (proposed was {quoted(original.after.get(name))})"
        lines += wrapped(text, "    ")
    return lines


def quoted(value: object) -> str:
    """A value, texts in quotes, nothing as it reads best."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _new(change: "ProposedChange", name: str, after: object) -> str:
    counted = name == "due_at" and change.due_in_seconds is not None
    return str(after) if counted else quoted(after)


def _judged(analysis: "Analysis") -> str:
    risk, health = analysis.risk, analysis.health
    points = "" if risk.score is None else f" ({risk.score} of 100)"
    state = "" if health.score is None else f" ({health.score} of 100)"
    band = str(health.band).replace("_", " ")
    text = f"risk {risk.level}{points}, health {band}{state}"
    if analysis.missing_sources:
        text += f"; not read: {', '.join(analysis.missing_sources)}"
    return text


def _findings(analysis: "Analysis") -> Iterator[str]:
    if not analysis.findings:
        return
    yield "  found:"
    for finding in analysis.findings[:_FINDINGS]:
        yield from wrapped(f"- {finding.title} ({finding.severity})", "    ")
        for evidence in finding.evidence:
            yield from wrapped(_cited(evidence), "        ")
    more = len(analysis.findings) - _FINDINGS
    if more > 0:
        yield f"    and {more} more, see `reviews brief {analysis.account_id}`"


def _cited(evidence: "Evidence") -> str:
    record = evidence.record
    where = f"{record.type} {record.name or record.id or ''}".rstrip()
    if evidence.before is None and evidence.after is None:
        what = quoted(evidence.value)
    else:
        what = f"{quoted(evidence.before)} -> {quoted(evidence.after)}"
    when = f", {evidence.at:%Y-%m-%d}" if evidence.at is not None else ""
    return f"{where}, {evidence.field}: {what}{when}"


def _behind(change: "ProposedChange", analysis: "Analysis | None") -> "Recommendation | None":
    if analysis is None:
        return None
    of_it = (one for one in analysis.recommendations if one.id == change.recommendation_id)
    return next(of_it, None)


def _sources(recommendation: "Recommendation | None") -> Iterator[str]:
    if recommendation is None:
        return
    confidence = recommendation.confidence
    yield from wrapped(
        f"priority {recommendation.priority}, confidence {confidence.level}"
        f" ({confidence.overall:.0%})",
        "  ",
    )
    shown = []
    for one in recommendation.references[:_SOURCES]:
        when = f" {one.timestamp:%Y-%m-%d}" if one.timestamp is not None else ""
        old = ", old" if one.fresh is False else ""
        field = f" {one.field}" if one.field else ""
        shown.append(f"{one.entity_type} {one.entity_id or ''}{field}{when}{old}")
    if len(recommendation.references) > _SOURCES:
        shown.append(f"{len(recommendation.references) - _SOURCES} more")
    yield from wrapped(f"sources: {'; '.join(shown)}", "  ")


def _left(left: timedelta) -> str:
    hours = int(left.total_seconds() // 3600)
    if left.total_seconds() < 0:
        return "the deadline has passed"
    if hours < 1:
        return f"{int(left.total_seconds() // 60)} minutes left"
    return f"{hours} hours left" if hours < 72 else f"{hours // 24} days left"


def wrapped(text: str, indent: str = "") -> list[str]:
    """Lines of WIDTH columns; what goes on stands deeper. Without text one empty line."""
    if not text:
        return [""]
    lines = textwrap.wrap(
        _spread(shown_on_one_line(text)),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_on_hyphens=False,
    )
    return [line.replace(_SECOND_COLUMN, "") for line in lines]


def _spread(text: str) -> str:
    """With as many characters as a terminal needs columns: some signs take two."""
    if text.isascii():
        return text
    return "".join(
        f"{sign}{_SECOND_COLUMN}" if unicodedata.east_asian_width(sign) in "WF" else sign
        for sign in text
    )
