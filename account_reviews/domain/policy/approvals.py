"""Who must agree before anything is written: the table `[approvals]` of the policy."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from account_reviews.domain.durations import Span
from account_reviews.domain.errors import PolicyError
from account_reviews.domain.matching import pairs
from account_reviews.domain.person_names import clean_name, person
from account_reviews.domain.policy.numbers import Hours, Points, Share, Some
from account_reviews.domain.policy.section import Section
from account_reviews.domain.proposals import Action

OWNER: Final = "owner"
"""Stands for the account's owner."""
LEVELS: Final = ("owner", "team_lead", "director", "vp")
NAMES_BYTES: Final = 8 * 1024
"""All names of groups and delegates as JSON: each request carries them."""

MaybeHours = Annotated[timedelta | None, Span("1s", "365d", "h", off=True)]


class Routes(Section):
    """Who else must agree, and from where on."""

    max_records: Some = 10
    many_records: tuple[str, ...] = ("manager", "admin")
    min_confidence: Share = 0.6
    low_confidence: tuple[str, ...] = ("manager",)
    personal_data: tuple[str, ...] = ("compliance",)


class EscalationPolicy(Section):
    """Who hears of a request by its risk, and later by its silence."""

    levels: tuple[str, ...] = LEVELS
    risk: tuple[Points, ...] = (70, 80, 90)
    critical_risk: Points = 85
    critical: tuple[str, ...] = ("manager", OWNER)


class Approvals(Section):
    """The gate before every write."""

    timeout: Hours = timedelta(hours=72)
    reminder: MaybeHours = timedelta(hours=48)
    escalate: MaybeHours = timedelta(hours=24)
    on_timeout: Literal["reject", "defer"] = "reject"
    requirement: Literal["any", "all", "n_of_m"] = "any"
    n: Annotated[int, Field(strict=True, ge=1, le=20)] = 1
    approvers: tuple[str, ...] = (OWNER,)
    fallback: tuple[str, ...] = ()
    """Who is asked in place of the owner of an account that has none: names and groups."""
    four_eyes: Literal["authored", "always", "off"] = "authored"
    require_signed: Annotated[bool, Field(strict=True)] = False
    links: Literal["unless_signed", "always", "never"] = "unless_signed"
    reason_required_on_reject: Annotated[bool, Field(strict=True)] = True
    batch: Annotated[bool, Field(strict=True)] = True
    auto: tuple[Action, ...] = ()
    max_conflict_rounds: Annotated[int, Field(strict=True, ge=1, le=100)] = 3
    groups: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    delegates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    routes: Routes = Field(default_factory=Routes)
    escalation: EscalationPolicy = Field(default_factory=EscalationPolicy)

    @property
    def is_closed(self) -> bool:
        """Whether only those who are asked may decide: a group that is asked has members."""
        return any(self.groups.get(entry) for entry in self.approvers)

    def owners(self, owner_id: str | None) -> tuple[str, ...]:
        """Who stands for `owner` where an account has this one: itself, else the fallback.

        Groups are their members; one without members is asked by its name.
        """
        if owner_id:
            return (owner_id,)
        found: dict[str, str] = {}
        for entry in self.fallback:
            for name in self.groups.get(entry) or (entry,):
                found.setdefault(person(name), name)
        return tuple(found.values())


def check_names(values: Mapping[str, Any]) -> None:
    """PolicyError for the first name in the lists of a document's `[approvals]` that is none."""
    table = values.get("approvals")
    if not isinstance(table, Mapping):
        return
    for key in ("groups", "delegates"):
        _check_table(f"approvals.{key}", table.get(key, {}))
    routes, escalation = table.get("routes", {}), table.get("escalation", {})
    lists = {f"approvals.{key}": table.get(key, []) for key in ("approvers", "fallback")}
    for key in ("many_records", "low_confidence", "personal_data"):
        lists[f"approvals.routes.{key}"] = _of(routes, key)
    for key in ("levels", "critical"):
        lists[f"approvals.escalation.{key}"] = _of(escalation, key)
    for key, found in lists.items():
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            _check_list(key, found)  # what is no list of texts is refused with all other types


def check_approvals(approvals: Approvals) -> None:
    """PolicyError for what could never be reached, so that everything would wait in vain."""
    if not approvals.approvers:
        raise PolicyError('approvals.approvers is [], but must name somebody, such as ["owner"]')
    if OWNER in map(person, approvals.fallback):
        raise PolicyError(
            f"approvals.fallback names {OWNER!r}, but is for accounts that have no owner"
        )
    for name in (OWNER, person(OWNER)):
        if name in approvals.groups:
            raise PolicyError(
                f"approvals.groups.{name} is not a group: {OWNER!r} is the account's owner"
            )
    most = len(_seats(approvals))
    if approvals.requirement == "n_of_m" and approvals.is_closed and approvals.n > most:
        raise PolicyError(
            f"approvals.n is {approvals.n}, but approvals.approvers has {most} "
            f"{'person' if most == 1 else 'persons'} who could approve"
        )
    _check_routes(approvals)
    _check_levels(approvals.escalation)
    size = len(json.dumps([approvals.groups, approvals.delegates], ensure_ascii=False).encode())
    if size > NAMES_BYTES:
        raise PolicyError(
            f"approvals.groups and approvals.delegates take {size:,} bytes; "
            f"at most {NAMES_BYTES:,} are taken, since each request carries them"
        )


def remarks(approvals: Approvals) -> list[str]:
    """What is valid and may not be what was meant: a sentence each."""
    routes = approvals.routes
    asked = dict.fromkeys(
        (*approvals.approvers, *routes.many_records, *routes.low_confidence, *routes.personal_data)
    )
    empty = [name for name in asked if name != OWNER and not approvals.groups.get(name)]
    lines: list[str] = []
    if empty:
        lines.append(
            f"without members in approvals.groups: {', '.join(empty)}; they are asked, "
            "and nobody of them must approve"
        )
    if approvals.requirement == "n_of_m" and not approvals.is_closed:
        lines.append(
            f"approvals.requirement is n_of_m and no group of approvals.approvers has members: "
            f"any {approvals.n} persons approve"
        )
    unused = [name for name in approvals.groups if name not in _named(approvals)]
    return [*lines, *(f"approvals.groups.{name} is used by nothing" for name in unused)]


def _check_table(key: str, table: object) -> None:
    if not isinstance(table, Mapping):
        raise PolicyError(f"{key} is {table!r}, but must be a table of names, each with a list")
    seen: dict[str, str] = {}
    for name, members in table.items():
        where = f"{key}.{name}"
        _check_name(where, name)
        other = seen.setdefault(person(name), name)
        if other != name:
            raise PolicyError(f"{where} and {key}.{other} are the same name")
        if not isinstance(members, list) or not all(isinstance(one, str) for one in members):
            raise PolicyError(f"{where} is {members!r}, but must be a list of names")
        _check_list(where, members)
        if key.endswith("delegates") and person(name) in map(person, members):
            raise PolicyError(f"{where} names {name!r}, but nobody is a delegate of himself")


def _check_list(where: str, members: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for one in members:
        _check_name(where, one)
        if person(one) in seen:
            raise PolicyError(f"{where} names {one!r} and {seen[person(one)]!r}: one name, twice")
        seen[person(one)] = one


def _check_name(where: str, name: str) -> None:
    if not person(name) or len(name) > 100 or clean_name(name) != name:
        raise PolicyError(
            f"{where} has {name!r}, but must have names of 1 to 100 characters "
            "without blanks around them"
        )


def _check_routes(approvals: Approvals) -> None:
    """All routes may meet in one item: then each group needs somebody of its own."""
    routes = approvals.routes
    every = dict.fromkeys((*routes.many_records, *routes.low_confidence, *routes.personal_data))
    groups = {
        name: [person(one) for one in approvals.groups[name]]
        for name in every
        if approvals.groups.get(name)
    }
    stood_for = pairs(groups)
    missing = next((name for name in groups if name not in stood_for), None)
    if missing is not None:
        raise PolicyError(
            f"approvals.groups.{missing} has nobody of its own beside the other groups of "
            f"approvals.routes ({', '.join(groups)}), so an item that needs all of them could "
            "never be approved"
        )


def _check_levels(escalation: EscalationPolicy) -> None:
    risk = escalation.risk
    if list(risk) != sorted(set(risk)):
        raise PolicyError(
            f"approvals.escalation.risk is {list(risk)}, but each number must be above the one "
            "before"
        )


def _seats(approvals: Approvals) -> set[str]:
    """Who could approve: the account's owner counts as somebody else than the members."""
    members = {
        person(one) for entry in approvals.approvers for one in approvals.groups.get(entry, ())
    }
    return members | ({OWNER} if OWNER in approvals.approvers else set())


def _named(approvals: Approvals) -> set[str]:
    routes, escalation = approvals.routes, approvals.escalation
    return {
        *approvals.approvers, *approvals.fallback, *routes.many_records, *routes.low_confidence,
        *routes.personal_data, *escalation.levels, *escalation.critical,
    }  # fmt: skip


def _of(table: object, key: str) -> object:
    return table.get(key, []) if isinstance(table, Mapping) else []
