"""Rows of the audit trail as people read them: when, what happened, of what, and who. Pure."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from account_reviews.presentation.cycle_table import short_cycle
from account_reviews.presentation.story import sentence
from account_reviews.presentation.tables import Cell, Column, account_cell
from account_reviews.presentation.terms import outcome_of, term_of
from account_reviews.presentation.told import told
from account_reviews.presentation.tones import tone_of

if TYPE_CHECKING:
    from account_reviews.presentation.quick_words import ListWords

Row = Mapping[str, Any]
COLUMNS: Final = (
    Column("at", "When"),
    Column("what", "What", prose=True, folds=True),
    Column("about", "About", 2, prose=True),
    Column("actor", "Who", 3, prose=True),
    Column("severity", "Severity", 4),
    Column("event_type", "Type", wide=True),
    Column("action", "Action", wide=True),
    Column("resource", "Resource", wide=True),
    Column("source", "Source", wide=True),
    Column("run_id", "Run", wide=True),
)
_REQUEST: Final = re.compile(r", request [0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WORK: Final = {
    "AccountReview": "review", "ReviewCycle": "cycle", "MemorySync": "sync of the memory",
}  # fmt: skip
_PROCESS: Final = re.compile(r"\d+@\S+")
"""How the SDK calls a process."""
_REFUSED: Final = ("permission_denied", "approval_refused")
_NAMES_ITS_ACTOR: Final = ("approval_decided", "approval_refused", "asked")
_PEOPLE: Final = "people/"
_PREFIXES: Final = (_PEOPLE, "review/", "schedule/", "account/")


def cells(row: Row, words: "ListWords", accounts: Mapping[str, str | None]) -> tuple[object, ...]:
    """As COLUMNS has them. `accounts`: id -> name."""
    severity = row["severity"]
    return (
        words.moment(datetime.fromisoformat(row["at"])),
        happened(row, words),
        about(row, accounts),
        who(row["actor"], words),
        Cell(severity, None, tone_of(severity)),
        row["event_type"],
        row["action"],
        row["resource"],
        row["source"],
        row["run_id"],
    )


def happened(row: Row, words: "ListWords") -> str:
    """ "Cycle ended: completed", "CRM write: new task"."""
    kind, action, details = row["event_type"], str(row["action"]), row["details"] or {}
    text = details.get("text")
    if isinstance(text, str) and "line" in details:
        text = _REQUEST.sub("", text)
        by = row["actor"] if action in _NAMES_ITS_ACTOR else None
        return told(sentence({"kind": action, "text": text, "by": by}, words), words)
    if str(row["resource"]).startswith(_PEOPLE):
        return _at_the_door(action, text)
    if kind in ("session_started", "session_ended"):
        work = _WORK.get(action, term_of(action)).capitalize()
        outcome = outcome_of(details.get("outcome"))
        return f"{work} {kind.partition('_')[2]}" + (f": {outcome}" if outcome else "")
    if kind == "request_made":
        return f"Asked for: {_asked(action)}"
    said = term_of(kind)
    said = said[:1].upper() + said[1:]
    if kind in _REFUSED and isinstance(text, str):
        return told(f"{said}: {text}", words)
    return f"{said}: {term_of(action)}" if kind == "crm_write" else said


def who(actor: str | None, words: "ListWords") -> str:
    """Who did it, by name; a process of ours, known by its number and machine, is a worker."""
    return "a worker" if actor and _PROCESS.fullmatch(actor) else words.person(actor)


def about(row: Row, accounts: Mapping[str, str | None]) -> Cell:
    """The account where there is one, else what it is about."""
    account, resource = row["account_id"], str(row["resource"])
    if account:
        return account_cell(accounts.get(account), account)
    resource = resource.replace("cycle/cycle/", "cycle/", 1)
    for prefix in _PREFIXES:
        resource = resource.removeprefix(prefix)
    if resource.startswith("cycle/"):
        return Cell(f"cycle {short_cycle(resource)}")
    return Cell(resource)


def _at_the_door(action: str, why: object) -> str:
    """ "Signed in", "User added", "Sign-in refused: name or password is wrong"."""
    told = action[:1].upper() + action[1:]
    return f"{told} refused: {why}" if isinstance(why, str) else told


def _asked(action: str) -> str:
    """ "start of a review", from "start AccountReview"; "decide", from "update decide"."""
    verb, _, what = action.partition(" ")
    if verb in ("start", "cancel", "terminate"):
        return f"{verb} of a {_WORK.get(what, term_of(what))}" if what else verb
    return term_of(what or verb)
