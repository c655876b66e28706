"""What it takes to decide one item: how many, who, and who together. Pure.

A **seat** is the approver who counts, a **hand** the person who decides: a delegate's hand votes
for the seat of another. Each seat and each hand counts once on the same content. Names are compared
as `person` reads them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from account_reviews.domain.base import Model
from account_reviews.domain.matching import pairs
from account_reviews.domain.person_names import one_person

Needs = Literal["any", "all", "n_of_m"]


class Said(StrEnum):
    """What a vote says to an item as it is shown."""

    YES = "yes"
    REJECT = "reject"
    DEFER = "defer"


class Vote(Model):
    """One person's decision on the present content of an item."""

    by: str
    on_behalf_of: str | None = None
    says: Said

    @property
    def seat(self) -> str:
        """Who counts, as it was given."""
        return self.on_behalf_of or self.by


class Standing(StrEnum):
    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    DEFERRED = "deferred"


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides one item. All names are as `person` reads them."""

    requirement: Needs = "any"
    n: int = 1
    """Distinct seats that must say yes."""
    seats: frozenset[str] = frozenset()
    anyone: bool = True
    """Any name may decide; `asked` then says how many are expected to."""
    asked: int = 1
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Each must be stood for by a member of its own who says yes."""
    barred: frozenset[str] = frozenset()
    """Who may not decide at all."""
    author: str | None = None
    """Who may not be the only one to say yes."""
    delegates: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Whose hands may vote for a seat beside its own."""
    spellings: Mapping[str, str] = field(default_factory=dict)
    """Other words for a person -> the name that counts."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """Names of people of the CRM -> their id there."""

    def who(self, name: str) -> str:
        """The person behind a name."""
        return one_person(name, self.spellings, self.ids)

    def members(self) -> frozenset[str]:
        """Of all groups."""
        return frozenset[str]().union(*self.groups.values())

    def hands(self, seat: str) -> frozenset[str]:
        return (frozenset({seat}) | self.delegates.get(seat, frozenset())) - self.barred


def why_not(rules: Rules, by: str, on_behalf_of: str | None) -> str | None:
    """Why this person may not decide so, as a sentence; None when he may."""
    hand, seat = rules.who(by), rules.who(on_behalf_of or by)
    if on_behalf_of is not None:
        if hand == seat:
            return f"{by} cannot decide on behalf of {on_behalf_of}: that is the same person"
        if hand not in rules.delegates.get(seat, frozenset()):
            return f"{by} is not a delegate of {on_behalf_of}"
    for one, name in ((hand, by), (seat, on_behalf_of or by)):
        if one in rules.barred:
            return f"{name} started this review and may not decide on it"
    if not rules.anyone and seat not in rules.seats | rules.members():
        return f"{on_behalf_of or by} is not one of the approvers of this change"
    return None


def is_alone(rules: Rules, by: str, on_behalf_of: str | None) -> bool:
    """Whether a yes would be the author's own where one is enough."""
    return rules.n == 1 and rules.author in (rules.who(by), rules.who(on_behalf_of or by))


def is_repeated(rules: Rules, votes: Iterable[Vote], by: str, on_behalf_of: str | None) -> bool:
    """Whether this hand or this seat has voted on the same content."""
    hand, seat = rules.who(by), rules.who(on_behalf_of or by)
    return any(hand == rules.who(one.by) or seat == rules.who(one.seat) for one in votes)


def standing(rules: Rules, votes: tuple[Vote, ...]) -> Standing:
    """Where an item stands after these votes on its present content."""
    if not wanting(rules, votes):
        return Standing.APPROVED
    noes = [one for one in votes if one.says is not Said.YES]
    if not noes or (rules.requirement != "any" and can_still_pass(rules, votes)):
        return Standing.OPEN
    if any(one.says is Said.REJECT for one in noes):
        return Standing.REJECTED
    return Standing.DEFERRED


@dataclass(frozen=True, slots=True)
class Wanting:
    """What is missing of an approval. False when nothing is."""

    more: int = 0
    """Seats."""
    groups: tuple[str, ...] = ()
    other: bool = False
    """Somebody who is not the author."""

    def __bool__(self) -> bool:
        return bool(self.more or self.groups or self.other)


def wanting(rules: Rules, votes: tuple[Vote, ...]) -> Wanting:
    """What is missing for these votes to be an approval."""
    yes = [one for one in votes if one.says is Said.YES]
    seats = {rules.who(one.seat) for one in yes}
    counted = seats if rules.anyone else seats & rules.seats
    free = [one for one in yes if rules.author not in (rules.who(one.by), rules.who(one.seat))]
    stood_for = pairs({name: members & seats for name, members in rules.groups.items()})
    return Wanting(
        more=max(0, rules.n - len(counted)),
        groups=tuple(name for name in rules.groups if name not in stood_for),
        other=rules.author is not None and not free,
    )


def can_still_pass(rules: Rules, votes: tuple[Vote, ...]) -> bool:
    """Whether people who have not voted could still complete an approval."""
    yes = {rules.who(one.seat) for one in votes if one.says is Said.YES}
    noes = {rules.who(one.seat) for one in votes if one.says is not Said.YES}
    used = {rules.who(one.by) for one in votes}

    def open_hands(seat: str) -> frozenset[str]:
        return frozenset() if seat in yes | noes | rules.barred else rules.hands(seat) - used

    return (
        _enough(rules, yes, noes, open_hands)
        and _groups_stand(rules, yes, open_hands)
        and _has_other(rules, votes, open_hands)
    )


def _enough(
    rules: Rules, yes: set[str], noes: set[str], hands: Callable[[str], frozenset[str]]
) -> bool:
    if rules.anyone:
        return rules.asked - len(noes) >= rules.n
    left = pairs({seat: hands(seat) for seat in sorted(rules.seats)})
    return len(yes & rules.seats) + len(left) >= rules.n


def _groups_stand(rules: Rules, yes: set[str], hands: Callable[[str], frozenset[str]]) -> bool:
    possible = {
        name: {one for one in members if one in yes or hands(one)}
        for name, members in rules.groups.items()
    }
    return len(pairs(possible)) == len(rules.groups)


def _has_other(
    rules: Rules, votes: tuple[Vote, ...], hands: Callable[[str], frozenset[str]]
) -> bool:
    """Whether somebody who is not the author has said yes or could."""
    author = rules.author
    if author is None or rules.anyone:
        return True
    if any(one.says is Said.YES and author not in (rules.who(one.by), rules.who(one.seat))
           for one in votes):  # fmt: skip
        return True
    others = (rules.seats | rules.members()) - {author}
    return any(hands(seat) - {author} for seat in others)
