"""A sentence that calls things by their ids, as people read it: with names and times. Pure.

Reviews and services know ids alone where they say what they did, or why they do not.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol
from urllib.parse import unquote

from account_reviews.presentation import dates_in_text
from account_reviews.presentation.cycle_table import short_cycle
from account_reviews.presentation.dates_in_text import dated
from account_reviews.presentation.story import PHASES
from account_reviews.presentation.terms import TERMS, account_named

_REVIEW: Final = re.compile(
    r"(?P<called>\breview )?\breview/(?:[\w.%-]+/)?(?P<account>[\w.%-]*[\w%-])"
)
_ACCOUNT: Final = re.compile(r"\baccount (?P<account>[\w.-]*\d[\w.-]*\b)")
_REQUEST: Final = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_CYCLE: Final = re.compile(r"(?:\bcycle )?\bcycle/(?P<name>[\w.:%-]*[\w%-])")
_BEFORE_PEOPLE: Final = frozenset({"by", "for", "of", "to", "with", "and", "or"})
_LONGEST_NAME: Final = 4
"""Words of a name."""
_THE_PHASE: Final = re.compile(r"\bthe phase is (\w+)")
_OF_THE_PROGRAM: Final = re.compile(r"\b[a-z]+_[a-z_]+\b")
_MARKS: Final = ",;:.)"
_QUOTED: Final = re.compile(r"(?<!\w)'[^'\n]*'(?!\w)")
_TYPED: Final = "\uffff"
"""Stands for what somebody typed; is no sign, and in no text that is shown."""


class Speech(dates_in_text.Speech, Protocol):
    """What is asked of the words of a reader."""

    def person(self, who: str | None, /) -> str: ...


class Mentioned(NamedTuple):
    """The ids in a text: of accounts, and what may be one of a request."""

    accounts: frozenset[str]
    requests: frozenset[str]


def mentioned(text: str) -> Mentioned:
    """Whose names have to be known to tell this text."""
    found = [*_REVIEW.finditer(text), *_ACCOUNT.finditer(text)]
    accounts = frozenset(unquote(one["account"]) for one in found)
    return Mentioned(accounts, frozenset(_REQUEST.findall(text)))


def told(
    text: str,
    words: Speech,
    *,
    accounts: Mapping[str, str | None] | None = None,
    short_ids: Mapping[str, str] | None = None,
) -> str:
    """The sentence for people. `accounts`: id -> name; `short_ids`: request id -> `ac-038-1`.

    What stands in quotation marks is as somebody typed it, and stays so.
    """
    typed = _QUOTED.findall(text)
    text = _QUOTED.sub(_TYPED, text)
    known, short = accounts or {}, short_ids or {}

    def review(found: re.Match[str]) -> str:
        account = unquote(found["account"])
        return ("review of " if found["called"] else "") + account_named(
            known.get(account), account
        )

    def account(found: re.Match[str]) -> str:
        name = known.get(found["account"])
        return account_named(name, found["account"]) if name else found[0]

    text = _REVIEW.sub(review, text)
    text = _ACCOUNT.sub(account, text)
    text = _CYCLE.sub(lambda found: f"cycle {short_cycle(found['name'])}", text)
    text = _REQUEST.sub(lambda found: short.get(found[0], found[0]), text)
    text = _THE_PHASE.sub(lambda found: _phase(found[1]), text)
    text = _people(dated(text, words), words)
    text = _OF_THE_PROGRAM.sub(lambda found: TERMS.get(found[0], found[0]), text)
    return re.sub(_TYPED, lambda _: typed.pop(0), text)


def _phase(phase: str) -> str:
    said = PHASES.get(phase, f"is in {phase}")
    return phase if phase in ("completed", "failed") else f"it {said[:1].lower()}{said[1:]}"


def _people(text: str, words: Speech) -> str:
    """The text, with the names of those whose id, or name as somebody typed it, begins it or stands
    behind one of _BEFORE_PEOPLE."""
    parts, shown, place = text.split(" "), list[str](), 0
    while place < len(parts):
        count, told_part = 1, parts[place]
        if place == 0 or parts[place - 1] in _BEFORE_PEOPLE:
            count, told_part = _person(parts[place : place + _LONGEST_NAME], words, first=not place)
        shown.append(told_part)
        place += count
    return " ".join(shown)


def _person(parts: list[str], words: Speech, *, first: bool) -> tuple[int, str]:
    """How many of these words mean somebody, with the name; the first word alone where none does.

    A word that a text begins with is hardly somebody's id when it holds nothing but letters.
    """
    for count in range(len(parts), 0, -1):
        said = " ".join(parts[:count])
        who = said.rstrip(_MARKS)
        name = words.person(who)
        if name != who and not (first and who.isalpha()):
            return count, name + said[len(who) :]
    return 1, parts[0]
