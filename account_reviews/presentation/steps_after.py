"""What comes next after what is no single review: an import, a list, a schedule, a stop. Pure.

`next_steps` has what comes next for a review. Lists are quick, so nothing heavy is imported here.
"""

import shlex
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol


class NextStep(NamedTuple):
    """`text` ends in no mark; `command` is what to type, None where nothing is to be done."""

    text: str
    command: str | None = None

    @property
    def line(self) -> str:
        """ "5 changes wait for Tomas Brekke: reviews approvals show ac-038-1"."""
        return f"{self.text}: {self.command}" if self.command else f"{self.text}."


OPEN_REVIEWS: Final = NextStep("What is open", "reviews list --open")
RELEASE: Final = NextStep("To let everything go on", "reviews stop-all --release")
SCHEDULES: Final = NextStep("When each runs", "reviews schedules list")
ALL_REVIEWS: Final = NextStep("All of them", "reviews list")


class Listed(Protocol):
    """A review in a list."""

    @property
    def account_id(self) -> str: ...

    @property
    def status(self) -> str: ...


def import_step(account_id: str | None) -> NextStep | None:
    """After accounts came. `account_id`: one of them."""
    if account_id is None:
        return None
    return NextStep("To review one of them", f"reviews start {shlex.quote(account_id)} --wait")


def list_step(rows: Sequence[Listed]) -> NextStep | None:
    """After a list of reviews: to decide, where something waits, else to look at the first."""
    if any(row.status == "waiting" for row in rows):
        return NextStep("What waits for decisions", "reviews approvals list")
    if rows:
        return NextStep("One of them", f"reviews show {shlex.quote(rows[0].account_id)}")
    return None


def nothing_listed(*, narrowed: bool) -> NextStep:
    """After a list without a row."""
    if narrowed:
        return ALL_REVIEWS
    return NextStep("To review an account, by its id or name", "reviews start ACCOUNT --wait")


def stuck_step(accounts: Iterable[str]) -> NextStep | None:
    """After reviews that are stuck."""
    first = next(iter(accounts), None)
    if first is None:
        return None
    return NextStep("Have its step tried again now", f"reviews retry {shlex.quote(first)}")


def plan_step(actions: Iterable[str], file: str | None) -> NextStep:
    """After the plan of a schedule file; `file` as it was typed."""
    if all(one == "unchanged" for one in actions):
        return SCHEDULES
    of = "" if file is None else f" --file {shlex.quote(file)}"
    return NextStep("Nothing is changed yet; to change it", f"reviews schedules apply{of}")


def schedules_step(ids: Sequence[str]) -> NextStep:
    """After a list of schedules."""
    if not ids:
        return NextStep("To make the shipped ones", "reviews schedules apply")
    return NextStep("One of them, with its last runs", f"reviews schedules show {_quoted(ids)}")


def run_step(schedule: str) -> NextStep:
    """After a schedule was set going."""
    return NextStep("What came of it", f"reviews schedules history {shlex.quote(schedule)}")


def remembered_step(accounts: Sequence[str]) -> NextStep | None:
    """After what was found in the memory; `accounts`: of what was found, best first."""
    if not accounts:
        return None
    return NextStep("All of the first account", f"reviews memory timeline {_quoted(accounts)}")


def timeline_step(account: str, *, empty: bool) -> NextStep:
    """After what is remembered of an account: reviews leave what came of them as they end."""
    if empty:
        return NextStep("How its review stands", f"reviews show {shlex.quote(account)}")
    return NextStep("How it stands today", f"reviews brief {shlex.quote(account)}")


def _quoted(several: Sequence[str]) -> str:
    return shlex.quote(several[0])
