"""The calls of HubSpot's dated API that we make, and how their answers are read."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, TypeVar

from account_reviews.crm.http.client import Answer, ApiClient
from account_reviews.crm.http.limits import Limits
from account_reviews.crm.hubspot.refusals import NOT_FOUND, refusal
from account_reviews.crm.hubspot.values import moment
from account_reviews.domain.errors import CrmUnreadableError

VERSION: Final = "2026-09"
BATCH: Final = 100
"""Records of one batch read."""
WITH_HISTORY: Final = 50
"""Records of one batch read that asks for histories."""
LARGEST_SEARCH: Final = 10_000
"""Where one search ends."""
_SEARCH_PAGE: Final = 200
_ASSOCIATIONS: Final = 1000
"""Records whose associations one call reads."""
_OWNERS: Final = 500
_T = TypeVar("_T")


@dataclass(frozen=True)
class Found:
    """One object as HubSpot gives it. Its id may be another than was asked for: it was merged."""

    id: str
    properties: Mapping[str, Any]
    updated_at: str | None = None
    histories: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Property -> its values, the newest first."""

    @property
    def changed_at(self) -> datetime | None:
        """When it changed last, by HubSpot, which also counts what it counts anew itself."""
        try:
            return moment(self.updated_at)
        except ValueError:
            return None


@dataclass(frozen=True)
class Page:
    """A page of a search, by id. `is_last`: nothing comes after it."""

    items: tuple[Found, ...]
    is_last: bool


class HubSpotApi:
    """One portal. `searching` makes the searches, which are counted by themselves."""

    def __init__(self, api: ApiClient, searching: ApiClient) -> None:
        self._api = api
        self._searching = searching

    @property
    def calls(self) -> tuple[str, Limits]:
        """The service and what it allows, but for searches."""
        return self._api.calls

    async def read(
        self,
        kind: str,
        ids: Iterable[str],
        properties: Sequence[str],
        *,
        histories: Sequence[str] = (),
        by: str | None = None,
    ) -> tuple[Found, ...]:
        """Objects by id, or by a property with unique values; those that are gone are left out.

        All in POST: a URL would become too long with many properties.
        """
        size = WITH_HISTORY if histories else BATCH
        batches = list(chunks(list(dict.fromkeys(ids)), size))
        pages = await asyncio.gather(
            *(self._read(kind, one, properties, histories, by) for one in batches)
        )
        return tuple(found for page in pages for found in page)

    async def _read(
        self,
        kind: str,
        ids: Sequence[str],
        properties: Sequence[str],
        histories: Sequence[str],
        by: str | None,
    ) -> list[Found]:
        body: dict[str, Any] = {
            "inputs": [{"id": one} for one in ids],
            "properties": list(properties),
        }
        if histories:
            body["propertiesWithHistory"] = list(histories)
        if by is not None:
            body["idProperty"] = by
        what = f"read {kind}"
        answer = await self._api.send("POST", f"{_objects(kind)}/batch/read", json=body)
        if answer.status == NOT_FOUND:  # none of the ids exists
            return []
        self._check_batch(answer, what)
        return [_found(one, what) for one in _results(answer, what)]

    def _check_batch(self, answer: Answer, what: str) -> None:
        """Elements of a 207 that are missing are just that; any other error of one is raised."""
        if answer.status not in (200, 207):
            raise refusal(answer, what)
        errors = answer.body.get("errors") if isinstance(answer.body, Mapping) else None
        for error in errors or ():
            if not isinstance(error, Mapping) or error.get("category") != "OBJECT_NOT_FOUND":
                status = 403 if "SCOPE" in str(error) else 400
                raise refusal(Answer(status, error, answer.headers, answer.date), what)

    async def read_one(self, kind: str, record_id: str) -> Found | None:
        """An object without its properties: says which one an id leads to now."""
        what = f"read {kind}"
        answer = await self._api.send("GET", f"{_objects(kind)}/{_segment(record_id)}")
        if answer.status == NOT_FOUND:
            return None
        if answer.status != 200:
            raise refusal(answer, what)
        return _found(answer.body, what)

    async def associated(
        self, kind: str, ids: Sequence[str], other: str, *, most: int
    ) -> dict[str, tuple[str, ...]]:
        """Of each record the ids of the other type, the newest first: all, or at least `most`."""
        found: dict[str, list[str]] = {one: [] for one in ids}
        left: dict[str, str | None] = dict.fromkeys(ids)
        while left:
            pages = await asyncio.gather(
                *(
                    self._associated(kind, one, other)
                    for one in chunks(list(left.items()), _ASSOCIATIONS)
                )
            )
            left = {}
            for record_id, more, after in (row for page in pages for row in page):
                if record_id in found:
                    found[record_id] += more
                    if after is not None and len(found[record_id]) < most:
                        left[record_id] = after
        return {one: tuple(_newest(others)) for one, others in found.items()}

    async def _associated(
        self, kind: str, inputs: Sequence[tuple[str, str | None]], other: str
    ) -> list[tuple[str, list[str], str | None]]:
        what = f"read which {other} belong to {kind}"
        asked = [
            {"id": one} if after is None else {"id": one, "after": after} for one, after in inputs
        ]
        path = f"/crm/associations/{VERSION}/{kind}/{other}/batch/read"
        answer = await self._api.send("POST", path, json={"inputs": asked})
        if answer.status == NOT_FOUND:
            return []
        self._check_batch(answer, what)
        rows = []
        for one in _results(answer, what):
            try:
                ids = [str(to["toObjectId"]) for to in one["to"]]
                after = ((one.get("paging") or {}).get("next") or {}).get("after")
                rows.append((str(one["from"]["id"]), ids, None if after is None else str(after)))
            except (KeyError, TypeError, AttributeError):
                raise _senseless(what) from None
        return rows

    async def search(
        self,
        kind: str,
        groups: Sequence[Sequence[Mapping[str, Any]]],
        properties: Sequence[str],
        *,
        above: str | None,
        limit: int,
    ) -> Page:
        """One page of what fits any group, by id, from the id after `above` on.

        The id is the window: a page never has to begin further on, so no search comes to where
        searches end, however many records have one time.
        """
        window = [] if above is None else [_filter("hs_object_id", "GT", value=above)]
        whole = [{"filters": [*window, *one]} for one in groups or ((),)]
        body = {
            "filterGroups": [one for one in whole if one["filters"]],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(properties),
            "limit": min(limit, _SEARCH_PAGE),
        }
        what = f"search {kind}"
        answer = await self._searching.send("POST", f"{_objects(kind)}/search", json=body)
        if answer.status != 200:
            raise refusal(answer, what)
        items = tuple(_found(one, what) for one in _results(answer, what))
        total = answer.body.get("total")
        if not isinstance(total, int) or not _follow(above, items):
            raise _senseless(what)
        more = answer.body.get("paging") or total > len(items)
        return Page(items, is_last=not items or not more)

    async def create(
        self,
        kind: str,
        properties: Mapping[str, str],
        links: Sequence[tuple[str, int]],
        *,
        operation_id: str,
    ) -> Answer:
        """Make an object that is associated with (id, number of the association). Any answer."""
        body = {
            "properties": dict(properties),
            "associations": [
                {
                    "to": {"id": to},
                    "types": [
                        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": number}
                    ],
                }
                for to, number in links
            ],
        }
        return await self._api.send("POST", _objects(kind), json=body, operation_id=operation_id)

    async def update(
        self, kind: str, record_id: str, properties: Mapping[str, str], *, operation_id: str
    ) -> Answer:
        """Change an object, whatever it is at. Any answer."""
        return await self._api.send(
            "PATCH", f"{_objects(kind)}/{_segment(record_id)}",
            json={"properties": dict(properties)}, operation_id=operation_id,
        )  # fmt: skip

    async def owners(self) -> list[Mapping[str, Any]]:
        """Everybody, also those who have left (`archived`)."""
        here, left = await asyncio.gather(self._owners("false"), self._owners("true"))
        return [*here, *left]

    async def _owners(self, archived: str) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        after: str | None = None
        while True:
            asked = {"limit": str(_OWNERS), "archived": archived}
            if after is not None:
                asked["after"] = after
            answer = await self._api.send("GET", f"/crm/owners/{VERSION}", params=asked)
            if answer.status != 200:
                raise refusal(answer, "read owners")
            found += _results(answer, "read owners")
            following = (answer.body.get("paging") or {}).get("next") or {}
            if following.get("after") in (None, after):
                return found
            after = str(following["after"])

    async def properties(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """What the portal knows of the properties of a type, by name."""
        what = f"read the properties of {kind}"
        answer = await self._api.send("GET", f"/crm/properties/{VERSION}/{kind}")
        if answer.status == NOT_FOUND:
            return {}
        if answer.status != 200:
            raise refusal(answer, what)
        return {str(one.get("name")): one for one in _results(answer, what)}

    async def stages(self) -> dict[str, Mapping[str, Any]]:
        """The stages of deals in all pipelines, by id."""
        answer = await self._api.send("GET", f"/crm/pipelines/{VERSION}/deals")
        if answer.status != 200:
            raise refusal(answer, "read the pipelines of deals")
        return {
            str(stage.get("id")): stage
            for pipeline in _results(answer, "read the pipelines of deals")
            for stage in pipeline.get("stages") or ()
            if isinstance(stage, Mapping)
        }

    async def ping(self) -> None:
        """The cheapest call that needs what every review needs."""
        answer = await self._api.send("GET", _objects("companies"), params={"limit": "1"})
        if answer.status != 200:
            raise refusal(answer, "read companies")


def chunks(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """So many at a time, in their order."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def found_in(answer: Answer, what: str) -> Found:
    """The object of an answer. CrmUnreadableError when there is none."""
    return _found(answer.body, what)


def is_record_id(text: str) -> bool:
    """Whether HubSpot could have given it: anything else need not be asked for."""
    return text.isascii() and text.isdecimal() and len(text) <= 20


def _follow(above: str | None, items: Sequence[Found]) -> bool:
    """Whether they stand in their order, after the id: else a list would never end."""
    ids = [*([above] if above is not None else []), *(one.id for one in items)]
    places = [(len(one), one) for one in ids]
    return all(one < other for one, other in pairwise(places))


def _filter(name: str, operator: str, **value: Any) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, **value}


def _objects(kind: str) -> str:
    return f"/crm/objects/{VERSION}/{kind}"


def _segment(record_id: str) -> str:
    """An id within a path. What is none cannot lead anywhere else."""
    return record_id if is_record_id(record_id) else "0"


def _newest(ids: Iterable[str]) -> list[str]:
    """Ids grow with time."""
    return sorted(dict.fromkeys(ids), key=lambda one: (len(one), one), reverse=True)


def _results(answer: Answer, what: str) -> list[Mapping[str, Any]]:
    found = answer.body.get("results") if isinstance(answer.body, Mapping) else None
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _senseless(what)
    return found


def _found(document: object, what: str) -> Found:
    if not isinstance(document, Mapping) or not isinstance(document.get("properties"), Mapping):
        raise _senseless(what)
    record_id = str(document.get("id") or "")
    if not record_id:
        raise _senseless(what)
    histories = document.get("propertiesWithHistory") or {}
    updated = document.get("updatedAt")
    return Found(
        record_id,
        document["properties"],
        None if updated is None else str(updated),
        histories if isinstance(histories, Mapping) else {},
    )


def _senseless(what: str) -> CrmUnreadableError:
    return CrmUnreadableError(f"HubSpot's answer makes no sense when asked to {what}")
