"""What happened in a review, told in the order in which it happened. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from account_reviews.presentation.terms import TERMS

Line = Mapping[str, Any]
"""A line of the timeline document: `at kind text by`, of a phase `from_phase to_phase` too."""


class Speech(Protocol):
    """What is asked of the words of a reader."""

    def person(self, who: str | None, /) -> str: ...


_HOME: Final[Mapping[str, frozenset[str]]] = {
    **{
        kind: frozenset({"investigating"})
        for kind in ("snapshot", "read_again", "analysed", "refreshed")
    },
    "approval_requested": frozenset({"planning"}),
    **{
        f"approval_{word}": frozenset({"approval"})
        for word in ("decided", "refused", "expired", "delegated", "reminder", "escalated")
    },
    **{
        f"item_{word}": frozenset({"executing"})
        for word in ("executed", "failed", "superseded", "skipped")
    },
    "outcome_unknown": frozenset({"executing"}),
    "not_verified": frozenset({"validating"}),
}
"""The phase in which a line is written."""

PHASES: Final[Mapping[str, str]] = {
    "investigating": "Reads the account",
    "planning": "Works out what to propose",
    "approval": "Waits for a decision",
    "executing": "Writes what was approved",
    "validating": "Reads back what was written",
    "completed": "Completed",
    "failed": "Failed",
    "abandoned": "Ended before its time",
}
_ITEMS: Final[Mapping[str, str]] = {
    "item_executed": "Written",
    "item_failed": "Not written",
    "item_skipped": "Not written",
    "item_superseded": "Overtaken by newer facts",
    "item_expired": "Not decided in time",
    "item_rejected": "Rejected",
    "item_deferred": "Put off",
    "item_undone": "Taken back",
}
_DECISIONS: Final[Mapping[str, str]] = {
    "approve": "approves", "adjust": "approves with changes", "reject": "rejects",
    "defer": "puts off",
}  # fmt: skip
_ACTS: Final[Mapping[str, str]] = {
    "paused": "Paused", "resumed": "Goes on", "cancelled": "Cancelled", "closing": "Ended",
    "annotated": "Noted", "answered": "Answered", "malformed_signal": "A message was no use",
    "approval_early": "A decision came early", "command_refused": "Refused",
    "step_failing": "A step fails and is tried again", "step_recovered": "A step goes on",
    "notice_failed": "Not notified", "refresh_requested": "Asked to read the account again",
    "refresh_refused": "Not read again", "refresh_too_late": "Not read again",
    "refreshed": "Read again", "outcome_unknown": "Not known yet whether it was written",
    "not_verified": "Not read back", "delegation_refused": "No delegate",
    "degraded": "Something is missing",
}  # fmt: skip
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALREADY: Final = re.compile(
    r"(?P<what>the request|item \S+) is already (?P<state>\w+)"
    r"(?: by (?P<by>.+?))?(?: at \d{4}-\S+)?"
)
_UNDONE: Final = re.compile(
    r"(?s)(?:(?P<what>.+?): )?undone by (?P<by>.+?) at \d{4}-\d\d-\d\d \d\d:\d\dZ,"
    r" approved by (?P<approver>[^:]+)(?P<why>: .*)?"
)
_REFRESHED: Final = re.compile(r"(\d+) kept, (\d+) superseded, (\d+) new")
_NOTHING_MORE: Final = "read the account again"
_SCHEDULED: Final = re.compile(r"\bcycle/([\w.-]+?)-\d{4}-\d\d-\d\dT[\d:.]+Z")
_CYCLE: Final = re.compile(r"\bcycle/([0-9a-f]{8})[0-9a-f]{24}\b")
_TIER: Final = re.compile(r" \(tier \w+\)")
_TOLD_TO: Final = frozenset({"approval_escalated", "approval_reminder", "approval_delegated"})
"""Lines that name who is told, by their ids."""
_NAME: Final = re.compile(r"[\w@]+(?:[.-][\w@]+)*")
_WORD: Final = re.compile(r"\b[a-z]+_[a-z_]+\b")


def in_order(moves: Sequence[Line], lines: Sequence[Line]) -> list[Line]:
    """Both, each in its own order, by time. Of what has the same time a line stands in the phase
    in which it is written: what was analysed before what is asked, what is written before it is
    read back."""
    told: list[Line] = []
    left, rest = list(moves), list(lines)
    while left and rest:
        move, line = left[0], rest[0]
        if line["at"] != move["at"]:
            first = line["at"] < move["at"]
        else:
            home = _HOME.get(str(line["kind"]), frozenset())
            ahead = {str(one["to_phase"]) for one in left if one["at"] == line["at"]}
            first = str(move["from_phase"]) in home or not home & ahead
        told.append((rest if first else left).pop(0))
    return [*told, *left, *rest]


def sentence(line: Line, words: Speech, short_ids: Mapping[str, str] | None = None) -> str:
    """One line as a sentence. `short_ids`: request id -> `ac-038-1`."""
    kind, by = str(line["kind"]), line["by"]
    text = _UUID.sub(lambda found: (short_ids or {}).get(found[0], found[0]), str(line["text"]))
    text = _SCHEDULED.sub(r"cycle of \1", _CYCLE.sub(r"cycle \1", text))
    if kind == "phase":
        return PHASES.get(str(line["to_phase"]), str(line["to_phase"]))
    if kind == "snapshot":
        return _TIER.sub("", text)
    if kind == "analysed":
        return f"Found: {_in_words(text)}"
    if kind == "approval_decided":
        return _decided(text, words.person(by), words.person)
    if kind == "approval_refused":
        return f"A decision of {words.person(by)} was refused: {_late(text, words.person)}"
    if kind in _TOLD_TO:
        text = _NAME.sub(lambda found: words.person(found[0]), text)
    if kind == "asked":
        return f"{words.person(by)} asks: {text}"
    if kind in _ITEMS:
        return _of_item(kind, text, by, words)
    if kind in ("refreshed", "refresh_requested"):
        text = "" if text == _NOTHING_MORE else _REFRESHED.sub(_kept, text)
    said = ": ".join(filter(None, (_ACTS.get(kind), text)))
    return f"{said} ({words.person(by)})" if by else said


def reason_in_words(text: str, words: Speech) -> str:
    """Why a change stands as it does. Of a write that was taken back who wanted that, and why:
    "asked for by Ann Lee, approved by Bob: wrong account"."""
    found = _UNDONE.fullmatch(text)
    if found is None:
        return text
    who = f"asked for by {words.person(found['by'])}"
    who += f", approved by {words.person(found['approver'])}{found['why'] or ''}"
    return f"{found['what']}, {who}" if found["what"] else who


def _of_item(kind: str, text: str, by: str | None, words: Speech) -> str:
    """ "Written: New task, approved by Ann Lee"."""
    told = f"{_ITEMS[kind]}: {reason_in_words(text, words)}"
    if by is None or _UNDONE.fullmatch(text):
        return told
    approved = "approved by " if kind == "item_executed" else ""
    return f"{told}, {approved}{words.person(by)}"


def _kept(found: re.Match[str]) -> str:
    """ "2 changes stand, 1 overtaken by newer facts, 1 new"; of nothing nothing."""
    kept, gone, new = map(int, found.groups())
    stand = f"{kept} change stands" if kept == 1 else f"{kept} changes stand"
    told = (
        stand if kept else "", f"{gone} overtaken by newer facts" if gone else "",
        f"{new} new" if new else "",
    )  # fmt: skip
    return ", ".join(filter(None, told)) or "nothing to propose"


def _decided(text: str, who: str, person: Callable[[str], str]) -> str:
    """ "Tomas Brekke approves with changes, on behalf of Ann: not that urgent"."""
    verb, _, reason = text.partition(": ")
    word, _, of = verb.partition(" on behalf of ")
    told = f"{who} {_DECISIONS.get(word, word)}"
    told += f" on behalf of {person(of)}" if of else ""
    return f"{told}: {reason}" if reason else told


def _late(text: str, person: Callable[[str], str]) -> str:
    """Why it was refused; of what came too late who was first, without ids and clocks."""
    found = _ALREADY.fullmatch(text)
    if found is None:
        return text
    what = "the request" if found["what"] == "the request" else "the change"
    state = TERMS.get(found["state"], found["state"])
    by = f" by {person(found['by'])}" if found["by"] else ""
    return f"{what} is already {state}" + (f", approved{by}" if by and state == "written" else by)


def _in_words(text: str) -> str:
    return _WORD.sub(lambda found: TERMS.get(found[0], found[0].replace("_", " ")), text)
