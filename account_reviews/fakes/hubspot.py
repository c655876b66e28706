"""A HubSpot portal that behaves: the dated object API, associations, owners, searches, OAuth."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from account_reviews.fakes.faults import FaultAction
from account_reviews.fakes.framework import Call, FakeApp, FakeOptions, Reply, Service
from account_reviews.fakes.hubspot_access import (
    CLIENT_ID,
    CLIENT_SECRET,
    REFRESH_TOKEN,
    Access,
)
from account_reviews.fakes.hubspot_properties import LINKS, OPERATION, STAGES, TYPE_IDS
from account_reviews.fakes.hubspot_records import CLOSED, Records, RefusedError, Stored, iso, shown
from account_reviews.fakes.hubspot_search import search
from account_reviews.fakes.hubspot_seed import Portal, fill

VERSION: Final = "2026-09"
_BATCH: Final = 100
_WITH_HISTORY: Final = 50
_ASSOCIATIONS: Final = 1000
_ASSOCIATION_PAGE: Final = 500
_LONGEST_URL: Final = 15_000
_TYPES: Final = {number: name for name, number in LINKS.items()}


def create_hubspot(options: FakeOptions) -> FakeApp:
    """`extra`: what `hubspot_seed.Portal` counts; `burst`, `searches`, `daily`, `token_seconds`;
    `scopes` that the app has; `unique`: false for a portal without the property of operations."""
    return FakeApp.of(HubSpotService(options), options)


class HubSpotService(Service):
    """One portal and one app that it has let in."""

    name = "hubspot"

    def __init__(self, options: FakeOptions) -> None:
        extra = options.extra
        names = ("burst", "searches", "daily", "token_seconds")
        limits = {name: int(extra[name]) for name in names if name in extra}
        self.access = Access(window_s=options.window_s, **limits)  # type: ignore[arg-type]
        if "scopes" in extra:
            self.access.scopes = set(extra["scopes"])
        lag = timedelta(milliseconds=int(extra.get("index_lag_ms", 0)))
        self.state: Records = Records(index_lag=lag)
        if not extra.get("unique", True):
            for kind in ("notes", "tasks"):
                del self.state.properties[kind][OPERATION]
        fill(self.state, Portal.of(options.accounts, extra), options.seed, options.now())

    def env(self, url: str) -> dict[str, str]:
        return {
            "REVIEWS_CRM_URL": "hubspot://",
            "REVIEWS_HUBSPOT_API_URL": url,
            "REVIEWS_HUBSPOT_CLIENT_ID": CLIENT_ID,
            "REVIEWS_HUBSPOT_CLIENT_SECRET": CLIENT_SECRET,
            "REVIEWS_HUBSPOT_REFRESH_TOKEN": REFRESH_TOKEN,
        }

    def counts(self, call: Call) -> bool:
        return not call.path.startswith("/oauth/")

    def revoke(self, call: Call) -> None:
        self.access.revoke(call)

    def edit(self, call: Call) -> None:
        """Somebody changes the record of the path: its phone, its amount, its subject."""
        parts = call.path.strip("/").split("/")
        kind = _kind(parts[3]) if len(parts) > 4 else None
        record = self.state.find(kind, parts[4]) if kind else None
        names = {"companies": "phone", "contacts": "phone", "deals": "amount"}
        if record is not None and kind in names:
            value = str(1_000_000 + call.now.microsecond)
            self.state.update(record, {names[kind]: value}, call.now)

    def error(self, call: Call, status: int, code: str | None) -> Any:
        """`code` of a 429 is the policy; of a 403 the scope that is missing."""
        del call
        body: dict[str, Any] = {"status": "error", "message": f"status {status}", "category": code}
        if status == 429:
            policy = code or "TEN_SECONDLY_ROLLING"
            body |= {"category": "RATE_LIMITS", "policyName": policy, "errorType": "RATE_LIMIT"}
        if status == 403 and code:
            context = {"requiredGranularScopes": [code]}
            body |= {"category": "MISSING_SCOPES", "errors": [{"context": context}]}
        return body

    def handle(self, call: Call) -> Reply:
        call.operation_id = call.headers.get("x-operation-id")
        if len(call.path) + sum(len(k) + len(v) + 2 for k, v in call.query.items()) > _LONGEST_URL:
            return Reply(414, "<html><body>URI Too Long</body></html>")
        if (call.method, call.path) == ("POST", f"/oauth/{VERSION}/token"):
            return self.access.grant(call)
        is_search = call.path.endswith("/search")
        refused = self.access.check(call) or self.access.limit(call, search=is_search)
        if refused is not None:
            return refused
        headers = {} if is_search else self.access.headers()
        try:
            reply = self._route(call)
        except RefusedError as error:
            return Reply(error.status, error.body(), headers)
        except (ValueError, TypeError, KeyError, AttributeError):
            text = "Invalid input JSON"
            return Reply(400, RefusedError(400, "VALIDATION_ERROR", text).body(), headers)
        return Reply(reply.status, reply.body, {**headers, **reply.headers})

    def _route(self, call: Call) -> Reply:
        match call.method, call.path.strip("/").split("/"):
            case "GET", ["crm", "owners", version, *rest] if version == VERSION:
                return self._owners(call, rest)
            case "GET", ["crm", "properties", version, kind] if version == VERSION:
                return self._properties(_known(kind))
            case "GET", ["crm", "pipelines", version, "deals"] if version == VERSION:
                return Reply(200, {"results": [_pipeline()]})
            case "GET", ["account-info", _, "details"]:
                return Reply(
                    200,
                    {"portalId": 4711, "timeZone": "Europe/Berlin", "uiDomain": "app.hubspot.com"},
                )
            case "POST", ["crm", "associations", version, one, other, "batch", "read"] if (
                version == VERSION
            ):
                return self._associations(call, _known(one), _known(other))
            case method, ["crm", "objects", version, kind, *rest] if version == VERSION:
                return self._objects(call, method, _known(kind), rest)
            case _:
                raise RefusedError(404, "OBJECT_NOT_FOUND", f"there is no {call.path}")

    def _objects(self, call: Call, method: str, kind: str, rest: Sequence[str]) -> Reply:
        reads = method == "GET" or list(rest) in (["batch", "read"], ["search"])
        self.access.need(kind, "read" if reads else "write")
        match method, list(rest):
            case "GET", []:
                return self._list(call, kind)
            case "GET", [record_id]:
                return self._get(call, kind, record_id)
            case "POST", []:
                return self._create(call, kind)
            case "PATCH", [record_id]:
                return self._patch(call, kind, record_id)
            case "POST", ["search"]:
                return self._search(call, kind)
            case "POST", ["batch", "read"]:
                return self._batch_read(call, kind)
            case "POST", ["batch", ("create" | "update" | "upsert") as verb]:
                return self._batch_write(call, kind, verb)
            case _:
                raise RefusedError(405, "VALIDATION_ERROR", f"{method} cannot be used there")

    def _list(self, call: Call, kind: str) -> Reply:
        limit = int(call.query.get("limit", 10))
        if not 1 <= limit <= _BATCH:
            raise RefusedError(
                400, "VALIDATION_ERROR", f"limit cannot be {limit}: at most {_BATCH}"
            )
        after = int(call.query.get("after") or 0)
        found = sorted((int(one), one) for one in self.state.objects[kind] if int(one) > after)
        page = [self.state.objects[kind][one] for _, one in found[:limit]]
        body: dict[str, Any] = {"results": [shown(one, _names(call, "properties")) for one in page]}
        if len(found) > limit:
            body["paging"] = {"next": {"after": page[-1].id}}
        call.records = [one.id for one in page]
        return Reply(200, body)

    def _get(self, call: Call, kind: str, record_id: str) -> Reply:
        record = self.state.find(kind, record_id, call.query.get("idProperty"))
        if record is None:
            raise RefusedError(404, "OBJECT_NOT_FOUND", "resource not found")
        call.records = [record.id]
        history = _names(call, "propertiesWithHistory")
        body = shown(record, _names(call, "properties"), history)
        others = [_known(one) for one in _names(call, "associations")]
        if others:
            body["associations"] = {
                other: {"results": [
                    {"id": one, "type": f"{kind}_to_{other}"}
                    for one in self.state.associated(kind, record.id, other)
                ]}
                for other in others
            }  # fmt: skip
        return Reply(200, body)

    def _create(self, call: Call, kind: str) -> Reply:
        given = call.json()
        self._note(call, given.get("properties", {}))
        if call.meets(FaultAction.ELEMENT_ERROR):
            raise _element_error(call)
        record = self._made(call, kind, given)
        return Reply(201, shown(record, list(given.get("properties", {}))))

    def _made(self, call: Call, kind: str, given: Mapping[str, Any]) -> Stored:
        links = [
            (_linked(kind, one), str(one["to"]["id"])) for one in given.get("associations", ())
        ]
        lag = (
            timedelta(milliseconds=call.fault.delay_ms)
            if call.meets(FaultAction.INDEX_LAG) and call.fault
            else None
        )
        record: Stored = self.state.create(
            kind, given.get("properties", {}), links, call.now, lag=lag
        )
        call.committed, call.records = True, [*call.records, record.id]
        return record

    def _patch(self, call: Call, kind: str, record_id: str) -> Reply:
        given = call.json()["properties"]
        record = self.state.find(kind, record_id, call.query.get("idProperty"))
        if record is None:
            raise RefusedError(404, "OBJECT_NOT_FOUND", "resource not found")
        if call.meets(FaultAction.ELEMENT_ERROR):
            raise _element_error(call)
        self.state.update(record, given, call.now)
        call.committed, call.records = True, [record.id]
        return Reply(200, shown(record, list(given)))

    def _search(self, call: Call, kind: str) -> Reply:
        given = call.json()
        records = self.state.objects[kind].values()
        page, total, after = search(records, self.state.properties[kind], given, call.now)
        body: dict[str, Any] = {
            "total": total,
            "results": [shown(one, given.get("properties", ())) for one in page],
        }
        if after is not None:
            body["paging"] = {"next": {"after": after}}
        call.records = [one.id for one in page]
        return Reply(200, body)

    def _batch_read(self, call: Call, kind: str) -> Reply:
        given = call.json()
        history = given.get("propertiesWithHistory") or ()
        inputs = [str(one["id"]) for one in given["inputs"]]
        _check_size(inputs, _WITH_HISTORY if history else _BATCH)
        found: dict[str, Stored] = {}
        missing = []
        for one in inputs:
            record = self.state.find(kind, one, given.get("idProperty"))
            if record is None:
                missing.append(one)
            else:
                found[record.id] = record
        call.records = list(found)
        results = [shown(one, given.get("properties", ()), history) for one in found.values()]
        errors = [{
            "status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": missing},
            "message": f"Could not get some {kind} objects, they may be deleted or not exist.",
        }] if missing else []  # fmt: skip
        return _batch(call, results, errors)

    def _batch_write(self, call: Call, kind: str, verb: str) -> Reply:
        inputs = call.json()["inputs"]
        _check_size(inputs, _BATCH)
        results: list[dict[str, Any]] = []
        errors: list[dict[str, Any]] = []
        for n, one in enumerate(inputs):
            try:
                if n == 0 and call.meets(FaultAction.ELEMENT_ERROR):
                    raise _element_error(call)
                results.append(self._written(call, kind, verb, one))
            except RefusedError as error:
                errors.append({**error.body(), "context": {"ids": [str(one.get("id", n))]}})
        return _batch(call, results, errors, made=verb == "create")

    def _written(self, call: Call, kind: str, verb: str, one: Mapping[str, Any]) -> dict[str, Any]:
        given = one.get("properties", {})
        record = (
            None
            if verb == "create"
            else self.state.find(kind, str(one["id"]), one.get("idProperty"))
        )
        if record is None and verb == "update":
            raise RefusedError(404, "OBJECT_NOT_FOUND", "resource not found")
        is_new = record is None
        if record is None:
            own = {str(one["idProperty"]): one["id"]} if one.get("idProperty") else {}
            record = self._made(call, kind, {**one, "properties": {**own, **given}})
        else:
            self.state.update(record, given, call.now)
            call.committed, call.records = True, [*call.records, record.id]
        return {**shown(record, list(given)), **({"new": is_new} if verb == "upsert" else {})}

    def _associations(self, call: Call, one: str, other: str) -> Reply:
        self.access.need(one, "read")
        self.access.need(other, "read")
        inputs = call.json()["inputs"]
        _check_size(inputs, _ASSOCIATIONS)
        results, errors = [], []
        for given in inputs:
            found = list(self.state.associated(one, str(given["id"]), other).items())
            start = int(given.get("after") or 0)
            page = found[start : start + _ASSOCIATION_PAGE]
            if not page:
                errors.append({
                    "status": "error", "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": f"No {other} is associated with {one} {given['id']}.",
                    "context": {"fromObjectId": [str(given["id"])]},
                })  # fmt: skip
                continue
            result: dict[str, Any] = {"from": {"id": str(given["id"])}, "to": [
                {"toObjectId": int(to), "associationTypes": [
                    {"category": "HUBSPOT_DEFINED", "typeId": number, "label": None}
                ]}
                for to, number in page
            ]}  # fmt: skip
            if len(found) > start + _ASSOCIATION_PAGE:
                result["paging"] = {"next": {"after": str(start + _ASSOCIATION_PAGE)}}
            results.append(result)
        return _batch(call, results, errors)

    def _owners(self, call: Call, rest: Sequence[str]) -> Reply:
        self.access.need("owners", "read")
        archived = call.query.get("archived", "false") == "true"
        if rest:
            found = self.state.owners.get(rest[0])
            if found is None or found["archived"] != archived:
                raise RefusedError(404, "OBJECT_NOT_FOUND", "resource not found")
            return Reply(200, found)
        limit, after = int(call.query.get("limit", 100)), int(call.query.get("after") or 0)
        if not 1 <= limit <= 500:
            raise RefusedError(400, "VALIDATION_ERROR", f"limit cannot be {limit}: at most 500")
        everybody = [one for one in self.state.owners.values() if one["archived"] == archived]
        body: dict[str, Any] = {"results": everybody[after : after + limit]}
        if len(everybody) > after + limit:
            body["paging"] = {"next": {"after": str(after + limit)}}
        return Reply(200, body)

    def _properties(self, kind: str) -> Reply:
        return Reply(
            200, {"results": [one.shown() for one in self.state.properties[kind].values()]}
        )

    def _note(self, call: Call, properties: Mapping[str, Any]) -> None:
        if OPERATION in properties:
            call.operation_id = str(properties[OPERATION])


def _kind(word: str) -> str | None:
    found = TYPE_IDS.get(word, word)
    found = {"company": "companies"}.get(found, found)
    kinds = set(TYPE_IDS.values())
    return found if found in kinds else f"{found}s" if f"{found}s" in kinds else None


def _known(word: str) -> str:
    found = _kind(word)
    if found is None:
        raise RefusedError(400, "VALIDATION_ERROR", f"Unable to infer object type from: {word}")
    return found


def _linked(kind: str, given: Mapping[str, Any]) -> str:
    """The type at the other end of an association that is asked for by its number."""
    number = given["types"][0]["associationTypeId"]
    found = _TYPES.get(number)
    if found is None or found[0] != kind:
        text = f"association type {number} does not go out from {kind}"
        raise RefusedError(400, "VALIDATION_ERROR", text)
    return found[1]


def _names(call: Call, name: str) -> list[str]:
    return [one for one in call.query.get(name, "").split(",") if one]


def _check_size(inputs: Sequence[object], most: int) -> None:
    if not 1 <= len(inputs) <= most:
        text = f"the number of inputs cannot be {len(inputs)}: from 1 to {most}"
        raise RefusedError(400, "VALIDATION_ERROR", text)


def _element_error(call: Call) -> RefusedError:
    code = (call.fault.code if call.fault else None) or "INVALID_OPTION"
    return RefusedError(400, "VALIDATION_ERROR", "Property values were not valid", code=code)


def _batch(
    call: Call,
    results: Sequence[Mapping[str, Any]],
    errors: Sequence[Mapping[str, Any]],
    *,
    made: bool = False,
) -> Reply:
    at = iso(call.now)
    body: dict[str, Any] = {
        "status": "COMPLETE", "results": results, "requestedAt": at, "startedAt": at,
        "completedAt": at,
    }  # fmt: skip
    if errors:
        return Reply(207, {**body, "numErrors": len(errors), "errors": errors})
    return Reply(201 if made else 200, body)


def _pipeline() -> dict[str, Any]:
    stages = [
        {
            "id": stage, "label": label, "displayOrder": n, "archived": False,
            "metadata": {"isClosed": str(stage in CLOSED).lower(), "probability": str(n / 10)},
        }
        for n, (stage, label) in enumerate(STAGES.items())
    ]  # fmt: skip
    return {"id": "default", "label": "Sales Pipeline", "displayOrder": 0, "stages": stages}
