"""Searches of the fake HubSpot: filters, sorts, and the end after 10,000 results."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from account_reviews.fakes.hubspot_properties import Property
from account_reviews.fakes.hubspot_records import RefusedError, Stored

_MOST: Final = 10_000
_PAGE: Final = 200


def search(
    records: Iterable[Stored], properties: Mapping[str, Property], body: Any, now: datetime
) -> tuple[list[Stored], int, str | None]:
    """One page, how many there are in all, and where the next page begins. RefusedError."""
    if not isinstance(body, Mapping):
        raise _bad("the body of a search is an object")
    limit, after = _whole(body.get("limit", 10), "limit"), _whole(body.get("after") or 0, "after")
    if not 1 <= limit <= _PAGE:
        raise _bad(f"limit cannot be {limit}: at most {_PAGE}")
    if after + limit > _MOST:
        raise _bad(f"Paging past {_MOST} results is not supported: after {after}")
    groups = _groups(body.get("filterGroups") or (), properties)
    sorts = body.get("sorts") or ()
    found = [
        one
        for one in records
        if one.searchable <= now
        and (not groups or any(all(fits(one) for fits in g) for g in groups))
    ]
    for sort in reversed(list(sorts)):
        name = sort.get("propertyName")
        _known(name, properties)
        kind = properties[name].type
        found.sort(
            key=lambda one, name=name, kind=kind: _key(one.properties.get(name, ""), kind),  # type: ignore[misc]
            reverse=sort.get("direction") == "DESCENDING",
        )
    page = found[after : after + limit]
    more = after + limit < min(len(found), _MOST)
    return page, len(found), str(after + limit) if more else None


def _groups(
    groups: Any, properties: Mapping[str, Property]
) -> list[list[Callable[[Stored], bool]]]:
    if len(groups) > 5:
        raise _bad("a search has at most 5 filterGroups")
    if any(len(group.get("filters", ())) > 6 for group in groups):
        raise _bad("a filter group has at most 6 filters")
    if sum(len(group.get("filters", ())) for group in groups) > 18:
        raise _bad("a search has at most 18 filters")
    return [[_filter(one, properties) for one in group.get("filters", ())] for group in groups]


def _filter(one: Mapping[str, Any], properties: Mapping[str, Property]) -> Callable[[Stored], bool]:
    name, operator = one.get("propertyName"), one.get("operator")
    _known(name, properties)
    kind = properties[str(name)].type

    def value_of(record: Stored) -> str:
        return record.properties.get(str(name), "")

    def keyed(value: object) -> Any:
        return _key(str(value).lower() if kind == "string" else str(value), kind)

    given = keyed(one.get("value", ""))
    values = {keyed(value) for value in one.get("values", ())}
    tests: dict[str, Callable[[str], bool]] = {
        "EQ": lambda value: value != "" and keyed(value) == given,
        "NEQ": lambda value: value != "" and keyed(value) != given,
        "GT": lambda value: value != "" and keyed(value) > given,
        "GTE": lambda value: value != "" and keyed(value) >= given,
        "LT": lambda value: value != "" and keyed(value) < given,
        "LTE": lambda value: value != "" and keyed(value) <= given,
        "IN": lambda value: value != "" and keyed(value) in values,
        "NOT_IN": lambda value: value != "" and keyed(value) not in values,
        "HAS_PROPERTY": lambda value: value != "",
        "NOT_HAS_PROPERTY": lambda value: value == "",
    }
    test = tests.get(str(operator))
    if test is None:
        raise _bad(f"the operator {operator} is not known")
    return lambda record: test(value_of(record))


def _key(value: str, kind: str) -> Any:
    """What values of a type are compared by."""
    if kind == "number":
        return int(value) if value.lstrip("-").isdigit() else float(value or 0)
    if kind in ("datetime", "date") and value:
        return _milliseconds(value)
    return value


def _milliseconds(value: str) -> int:
    if value.lstrip("-").isdigit():
        return int(value)
    at = datetime.fromisoformat(value)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _known(name: object, properties: Mapping[str, Property]) -> None:
    if name not in properties:
        raise _bad(f"the property {name} does not exist and cannot be searched for")


def _whole(value: object, name: str) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise _bad(f"{name} cannot be {value}") from None


def _bad(message: str) -> RefusedError:
    return RefusedError(400, "VALIDATION_ERROR", message)
