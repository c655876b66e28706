"""One person's decision on one item, from logic 3 on. Pure."""

from collections.abc import Iterable

from account_reviews.domain.base import Timestamp
from account_reviews.domain.counting import counted
from account_reviews.domain.proposals import ItemState
from account_reviews.domain.review import quorum
from account_reviews.domain.review.items import Item, adjust, decided_sentence, refuse
from account_reviews.domain.review.messages import Refusal, RefusalCode, SubmitDecision, Verdict
from account_reviews.domain.review.quorum import Rules, Said, Standing, Vote
from account_reviews.domain.review.routing import Required

_SAYS = {Verdict.REJECT: Said.REJECT, Verdict.DEFER: Said.DEFER}
_CLOSED = {
    Standing.REJECTED: ItemState.REJECTED,
    Standing.DEFERRED: ItemState.DEFERRED,
}


def vote(item: Item, rules: Rules, message: SubmitDecision, now: Timestamp) -> Item | Refusal:
    """The item after one decision; it may stay open. A Refusal leaves it as it was."""
    by, of = message.approver, message.on_behalf_of
    if not item.is_open:
        return refuse(RefusalCode.ALREADY_DECIDED, decided_sentence(item))
    if (why := quorum.why_not(rules, by, of)) is not None:
        return refuse(RefusalCode.NOT_ALLOWED, why)
    says = _SAYS.get(message.decision, Said.YES)
    if says is Said.YES and quorum.is_alone(rules, by, of):
        why = f"{item.change.author} proposed this change: somebody else must approve it"
        return refuse(RefusalCode.NOT_ALLOWED, why)
    if message.decision is Verdict.ADJUST:
        adjusted = adjust(item, message.changes, complete=True)
        if isinstance(adjusted, Refusal):
            return adjusted
        item = adjusted
    elif quorum.is_repeated(rules, item.votes, by, of):
        return refuse(RefusalCode.DUPLICATE, _repeated_sentence(rules, item.votes, message))
    votes = (*item.votes, Vote(by=by, on_behalf_of=of, says=says))
    update: dict[str, object] = {
        "votes": votes,
        "approvals": tuple(one.seat for one in votes if one.says is Said.YES),
    }
    standing = quorum.standing(rules, votes)
    if standing is not Standing.OPEN:
        approved = ItemState.APPROVED if item.original is None else ItemState.ADJUSTED
        update |= {
            "state": _CLOSED.get(standing, approved),
            "decided_by": by,
            "decided_at": now,
            "reason": message.reason,
        }
    return item.model_copy(update=update)


def remark(item: Item, rules: Rules, required: Required) -> str | None:
    """What an item still needs, as a sentence; None when it is closed."""
    if not item.is_open:
        return None
    missing = quorum.wanting(rules, item.votes)
    parts: list[str] = []
    if missing.more:
        parts.append(counted(missing.more, "more approval"))
    parts += [f"one of {name} ({names(required.groups[name])})" for name in missing.groups]
    if not parts:
        parts.append(f"somebody other than {item.change.author}")
    return f"needs {' and '.join(parts)}"


def needed(required: Required, groups: Iterable[tuple[str, ...]]) -> str:
    """What it takes to approve the open items, each of which needs these groups."""
    per_item = list(groups)
    base = "one approval" if required.n == 1 else f"{required.n} approvals"
    if not required.anyone:
        base = f"{required.n} of {names(required.of) or 'nobody'}"
    parts = [f"needs {base}"]
    for name, members in required.groups.items():
        count = sum(name in one for one in per_item)
        some = f" for {count} of {len(per_item)} items" if count < len(per_item) else ""
        parts += [f"and one of {name} ({names(members)}){some}"] if count else []
    return "; ".join(parts)


def names(people: Iterable[str]) -> str:
    """A few names, and how many more there are."""
    every = tuple(people)
    more = f" and {len(every) - 8} more" if len(every) > 9 else ""
    return ", ".join(every[:8] if more else every) + more


def _repeated_sentence(rules: Rules, votes: tuple[Vote, ...], message: SubmitDecision) -> str:
    by, of = message.approver, message.on_behalf_of
    if of is not None and not quorum.is_repeated(rules, votes, by, None):
        return f"somebody has decided for {of} on this item already"
    return f"{by} has decided on this item already"
