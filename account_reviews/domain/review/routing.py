"""Who is asked about which item: resolved from the terms when a request is opened. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pydantic import Field

from account_reviews.domain.base import Model
from account_reviews.domain.person_names import person
from account_reviews.domain.proposals import ProposedChange
from account_reviews.domain.records import RecordType
from account_reviews.domain.review.quorum import Rules
from account_reviews.domain.review.terms import OWNER, Terms

PERSONAL_FIELDS: Final = frozenset({"name", "email", "phone", "title"})
"""Of a contact: what is known of a person."""


class Required(Model):
    """What it takes to approve an item: `n` distinct approvers."""

    requirement: str
    n: int
    anyone: bool = True
    """Any name may decide; else those of `of`, and of the groups an item needs."""
    of: tuple[str, ...] = ()
    """Who may. Who is asked, where anyone may."""
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Members by group, of the groups that one of the items needs."""

    @property
    def asked(self) -> int:
        """How many are expected to decide."""
        return max(self.n, len(self.of))


class Routed(Model):
    """Who is asked about a request, and what its items need."""

    required: Required
    approvers: tuple[str, ...]
    """All who are asked, each once: the account's owner first."""
    groups: tuple[tuple[str, ...], ...]
    """Per item, of which groups a member must approve it."""


def route(
    terms: Terms,
    changes: Sequence[ProposedChange],
    *,
    owners: tuple[str, ...],
    started_by: str | None,
) -> Routed:
    """Resolve `owner` and groups. A group without members is asked, and required nowhere."""
    wanted = [groups_for(terms, change, changes) for change in changes]
    with_members = [tuple(one for one in names if terms.groups.get(one)) for names in wanted]
    barred = terms.who(started_by or "") if terms.four_eyes == "always" else ""
    closed = [entry for entry in terms.approvers if entry == OWNER or terms.groups.get(entry)]
    anyone = not any(terms.groups.get(entry) for entry in terms.approvers)
    base = _people(terms, terms.approvers, owners)
    seats = base if anyone else _people(terms, closed, owners)
    of = tuple(one for one in seats if terms.who(one) != barred)
    needed = {"any": 1, "all": max(1, len(of)), "n_of_m": terms.n}[terms.requirement]
    more = _people(terms, dict.fromkeys(name for names in wanted for name in names), owners)
    asked = once((*base, *more), terms.who)
    groups = {name: terms.groups[name] for names in with_members for name in names}
    required = Required(
        requirement=terms.requirement, n=needed, anyone=anyone, of=of, groups=groups
    )
    return Routed(required=required, approvers=asked, groups=tuple(with_members))


def groups_for(
    terms: Terms, change: ProposedChange, changes: Sequence[ProposedChange]
) -> tuple[str, ...]:
    """The groups that the routes ask about one of these changes, with or without members."""
    routes = terms.routes
    found: list[str] = []
    if records_of(changes) > routes.max_records:
        found += routes.many_records
    if touches_person(change):
        found += routes.personal_data
    if change.confidence is not None and change.confidence < routes.min_confidence:
        found += routes.low_confidence
    return tuple(dict.fromkeys(found))


def records_of(changes: Iterable[ProposedChange]) -> int:
    """Distinct records that these write; each create makes one."""
    return len(
        {
            (one.record.type, one.change_id if one.action.creates else one.record.id)
            for one in changes
        }
    )


def touches_person(change: ProposedChange) -> bool:
    """Whether it changes what is known of a person."""
    return change.record.type is RecordType.CONTACT and bool(PERSONAL_FIELDS & change.after.keys())


def resolve(terms: Terms, entry: str, owners: tuple[str, ...]) -> tuple[str, ...]:
    """The names behind `owner` or a group; a group without members is its own name."""
    if entry == OWNER:
        return owners
    return terms.groups.get(entry) or (entry,)


def _people(terms: Terms, entries: Iterable[str], owners: tuple[str, ...]) -> tuple[str, ...]:
    return once((one for entry in entries for one in resolve(terms, entry, owners)), terms.who)


def once(names: Iterable[str], who: Callable[[str], str] = person) -> tuple[str, ...]:
    """Each person once, as first spelled."""
    found: dict[str, str] = {}
    for name in names:
        if who(name):
            found.setdefault(who(name), name)
    return tuple(found.values())


def rules_of(
    terms: Terms,
    required: Required,
    change: ProposedChange,
    groups: tuple[str, ...],
    *,
    started_by: str | None,
    delegations: Iterable[tuple[str, str]] = (),
) -> Rules:
    """What decides one item. `delegations` are pairs of who is away and who decides for him."""

    who = terms.who
    away: dict[str, set[str]] = {}
    for name, hands in terms.delegates.items():
        away.setdefault(who(name), set()).update(map(who, hands))
    for name, hand in delegations:
        away.setdefault(who(name), set()).add(who(hand))
    barred = terms.four_eyes == "always" and started_by
    author = change.author if terms.four_eyes != "off" else None
    return Rules(
        requirement=terms.requirement,
        n=required.n,
        seats=frozenset(map(who, required.of)),
        anyone=required.anyone,
        asked=required.asked,
        groups={name: frozenset(map(who, required.groups[name])) for name in groups},
        barred=frozenset({who(started_by)}) if barred and started_by else frozenset(),
        author=who(author) if author else None,
        delegates={name: frozenset(hands) for name, hands in away.items()},
        spellings=terms.spellings,
        ids=terms.ids,
    )
