"""What comes next: one sentence, and the command for whoever has a terminal. Pure."""

import shlex
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Protocol

from account_reviews.domain.counting import counted
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.phases import Outcome
from account_reviews.domain.review.state import ReviewState
from account_reviews.presentation.steps_after import NextStep
from account_reviews.presentation.terms import ANYBODY

_TAKES_BACK: Final = "undo/"
_NAMED = 3
"""People who are named; of more it says how many."""


class Speech(Protocol):
    """What is asked of the words of a reader."""

    def person(self, who: str | None, /) -> str: ...

    def due(self, at: datetime, /) -> str: ...


def next_step(
    state: ReviewState, words: Speech, short_ids: Mapping[str, str] | None = None
) -> NextStep:
    """What comes next for a review. `short_ids`: request id -> `ac-038-1`."""
    account = shlex.quote(state.account_id)
    if state.outcome is not None:
        return _after(state, account) if state.undo is None else _after_undo(state, account)
    if state.paused is not None:
        who = words.person(state.paused.by)
        return NextStep(f"Paused by {who}", f"reviews resume {account}")
    pending = sorted(state.pending, key=lambda one: one.deadline)
    if pending:
        first, *others = pending
        more = f", and {counted(len(others), 'more request')}" if others else ""
        found = request_step(first, words, (short_ids or {}).get(first.request_id))
        return found._replace(text=f"{found.text}{more}")
    if state.failing:
        return NextStep("A step fails and is tried again", "reviews stuck")
    if state.interactive:
        return NextStep("It waits for questions and proposals", f"reviews ask {account} QUESTION")
    return NextStep("It is under way", f"reviews watch {called(state.review_id, state.account_id)}")


def request_step(request: ApprovalRequest, words: Speech, short_id: str | None = None) -> NextStep:
    """What comes next for a request."""
    name = shlex.quote(short_id or request.request_id)
    review = called(request.review_id, request.account_id)
    if request.is_pending:
        return NextStep(waiting(request, words), f"reviews approvals show {name}")
    approved = sum(item.is_approved for item in request.items)
    if approved:
        verb = "is" if approved == 1 else "are"
        return NextStep(
            f"{counted(approved, 'change')} {verb} being written",
            f"reviews watch {review}",
        )
    return NextStep("All is decided", f"reviews show {review}")


def called(review_id: str, account_id: str) -> str:
    """What a command calls a review: by its account, which the one that takes a write back shares
    with the one that wrote it."""
    return shlex.quote(review_id if review_id.startswith(_TAKES_BACK) else account_id)


def waiting(request: ApprovalRequest, words: Speech) -> str:
    """ "5 changes wait for Tomas Brekke, until Fri 2 Oct, in 3 days"."""
    left = sum(item.is_open for item in request.items)
    verb = "waits" if left == 1 else "wait"
    who = _whom(request, words.person)
    return f"{counted(left, 'change')} {verb} for {who}, until {words.due(request.deadline)}"


def people(names: tuple[str, ...], person: Callable[[str], str]) -> str:
    """ "Ann, Ben or Cleo"; of more than three the rest as a number."""
    return _listed(names, person, "or", "one of ") or ANYBODY


def _whom(request: ApprovalRequest, person: Callable[[str], str]) -> str:
    """Who has not approved yet: "Ann or Ben" where one is enough, "2 of Ann, Ben and Cleo"."""
    who = request.terms.who
    votes = [set(map(who, item.approvals)) for item in request.items if item.is_open] or [set()]
    spoken = set.intersection(*votes)
    left = tuple(one for one in request.approvers if who(one) not in spoken)
    needed = request.required.n - min(map(len, votes))
    if needed < 2 or not left:
        return people(left, person)
    listed = _listed(left, person, "and")
    return listed if needed >= len(left) else f"{needed} of {listed}"


def _listed(
    names: tuple[str, ...], person: Callable[[str], str], joined: str, rest: str = ""
) -> str:
    shown = list(dict.fromkeys(map(person, names)))
    if len(shown) > _NAMED:
        shown = [*shown[: _NAMED - 1], f"{rest}{len(shown) - _NAMED + 1} others"]
    *others, last = shown or [""]
    return f"{', '.join(others)} {joined} {last}" if others else last


def _after_undo(state: ReviewState, account: str) -> NextStep:
    """Of one that was to take a write back."""
    if any(became is ItemState.EXECUTED for _, became in state.changes):
        return NextStep("It was taken back; the brief of the account", f"reviews brief {account}")
    review = called(state.review_id, state.account_id)
    return NextStep("Nothing was taken back; why", f"reviews show {review}")


def _after(state: ReviewState, account: str) -> NextStep:
    """Of a review that has ended."""
    again = f"reviews start {account}"
    states = [item for _, item in state.changes]
    written = states.count(ItemState.EXECUTED)
    match state.outcome:
        case Outcome.NOTHING_TO_DO if state.plan_only and states:
            return NextStep(
                f"{counted(len(states), 'change')} planned, nobody was asked; to propose "
                f"{'it' if len(states) == 1 else 'them'}",
                again,
            )
        case Outcome.NOTHING_TO_DO:
            return NextStep("Nothing is to be decided; the brief", f"reviews brief {account}")
        case Outcome.COMPLETED:
            if not written:
                return NextStep("Nothing was written; the brief", f"reviews brief {account}")
            verb = "was" if written == 1 else "were"
            return NextStep(
                f"{counted(written, 'change')} {verb} written; the brief",
                f"reviews brief {account}",
            )
        case Outcome.DEFERRED:
            return NextStep("Put off: the next review proposes it again", again)
        case Outcome.EXPIRED:
            return NextStep("Nobody decided in time, and nothing was written; once more", again)
        case Outcome.REJECTED:
            return NextStep("Everything was rejected, and nothing was written", None)
        case Outcome.FAILED:
            return NextStep("It failed; why", f"reviews show {account}")
        case _:
            return NextStep("It ended before its time; to begin anew", again)
