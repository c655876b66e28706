"""What pages of requests say beyond single words: sentences of a whole request."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review.approvals import ApprovalRequest
from account_reviews.domain.review.items import Item, RequestState
from account_reviews.domain.review.quorum import Said
from account_reviews.presentation import approval_page
from account_reviews.presentation.next_steps import people
from account_reviews.presentation.words import Words

_STATES: Final = {
    ItemState.PROPOSED: "waiting",
    ItemState.APPROVED: "being written",
    ItemState.ADJUSTED: "being written",
    ItemState.EXECUTED: "written to the CRM",
    ItemState.FAILED: "not written, the CRM refused",
    ItemState.SKIPPED: "not written",
    ItemState.REJECTED: "rejected",
    ItemState.DEFERRED: "put off",
    ItemState.EXPIRED: "expired",
    ItemState.SUPERSEDED: "to be looked at again: the record has changed",
    ItemState.UNDONE: "taken back",
}
_WAYS: Final = {
    "/accounts": ("/accounts", "To the accounts"),
    "/reviews": ("/accounts", "To the accounts"),
    "/owners": ("/portfolio", "To the portfolio"),
    "/cycles": ("/cycles", "To the cycles"),
    "/schedules": ("/schedules", "To the schedules"),
}
"""By how a path begins: where somebody goes on who found nothing there."""
_FOR_A_SHELL: Final = re.compile(r"`|\bREVIEWS_|(^|\s)--[a-z]|\bdocs/|\.md\b")
_ADVICE: Final = {
    403: "Ask whoever gives out the roles here.",
    408: "Try it again.",
    429: "Try it again in a minute.",
    503: "Try it again in a minute. If it stays like this, tell whoever runs this app.",
}
"""By the status of an answer: what helps where the error itself names a command, or nothing."""
_HOME: Final = ("/", "Back to the inbox")
_AFTER: Final = {
    ItemState.APPROVED: "being written",
    ItemState.ADJUSTED: "being written",
    ItemState.EXECUTED: "written to the CRM",
    ItemState.FAILED: "and refused by the CRM",
    ItemState.UNDONE: "written, and taken back",
}
"""What became of an approved change."""


def standing(request: ApprovalRequest, words: Words) -> list[str]:
    """ "2 changes being written", "1 change rejected"."""
    found = Counter(_STATES[one.state] for one in request.items)
    return [f"{words.count(number, 'change')} {said}" for said, number in found.items()]


def ended(request: ApprovalRequest, words: Words) -> str:
    """How a request that does not wait any more ended, and who ended it when."""
    when = f", {words.moment(request.closed_at)}" if request.closed_at else ""
    match request.state:
        case RequestState.EXPIRED:
            return f"Nobody decided in time{when}. Nothing is written."
        case RequestState.SUPERSEDED:
            return "This was replaced: the records have changed, and the review asks anew."
        case RequestState.CANCELLED:
            return f"The review was ended before anybody decided{when}."
    people = dict.fromkeys(_decider(one.by, one.on_behalf_of, words) for one in request.decisions)
    by = f" by {' and '.join(people)}" if people else ""
    return f"Decided{by}{when}: {', '.join(standing(request, words))}."


def approvers(item: Item, words: Words) -> str:
    """Who has approved what is still open: "Ann Lee, Tomas Brekke for Oren Salvat"."""
    votes = [one for one in item.votes if one.says is Said.YES]
    names = [_decider(one.by, one.seat, words) for one in votes]
    return ", ".join(names or map(words.person, item.approvals))


def _decider(by: str, seat: str | None, words: Words) -> str:
    """ "Tomas Brekke", "Tomas Brekke for Oren Salvat"."""
    who, of = words.person(by), words.person(seat or by)
    return who if who == of else f"{who} for {of}"


def decided(item: Item, words: Words) -> str:
    """ "approved by Ann Lee, Fri 2 Oct, 14:05, and written: they asked for it"."""
    stands = item.state in _AFTER
    what = "edited and approved" if stands and item.original else words.term(item.state)
    if stands and not item.original:
        what = "approved"
    by = f" by {words.person(item.decided_by)}" if item.decided_by else ""
    when = f", {words.moment(item.decided_at)}" if item.decided_at else ""
    after = f", {_AFTER[item.state]}" if stands and _AFTER[item.state] else ""
    return f"{what}{by}{when}{after}" + (f": {words.reason(item.reason)}" if item.reason else "")


def needed(request: ApprovalRequest, words: Words) -> str:
    """What it takes to approve, with names, as a sentence."""
    return sentence(approval_page.needed(request, words))


def in_other_hands(request: ApprovalRequest, groups: Sequence[str], words: Words) -> str | None:
    """Who decides for the groups that somebody signs in with; None where it is asked of none of
    them, or of everybody."""
    members = request.terms.groups
    found = tuple(one for one in groups if members.get(one))
    if not found:
        return None
    named = tuple(dict.fromkeys(name for one in found for name in members[one]))
    them = found[0] if len(found) == 1 else "them"
    return (
        f"Your sign-in says that you are in {', '.join(found)}, and the policy names who decides "
        f"for {them}: {people(named, words.person)}"
    )


def advice(hint: str | None, status: int = 200) -> str:
    """What to do about an error, for whoever has a browser and no shell; "" where nothing helps."""
    if hint and not _FOR_A_SHELL.search(hint):
        return sentence(hint)
    return _ADVICE.get(status, "")


def capitalized(text: str) -> str:
    """Begins with a capital; what is written in capitals stays, as in "Writing to the CRM"."""
    return text[:1].upper() + text[1:]


def sentence(text: str) -> str:
    """Begins with a capital and ends in a mark."""
    found = capitalized(text)
    return found if found.endswith((".", "!", "?")) else f"{found}."


def way_on(path: str) -> tuple[str, str]:
    """Address and label of the link on a page that says what went wrong."""
    return next((way for begin, way in _WAYS.items() if path.startswith(begin)), _HOME)


def lower_first(text: str) -> str:
    """A label within a sentence; what is written in capitals stays."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def without(text: str, name: str | None) -> str:
    """A sentence that stands below the name of its account need not end in it."""
    return text.removesuffix(f": {name}") if name else text


def person_of(who: str, words: Words) -> str:
    """For `map` of a template."""
    return words.person(who)
