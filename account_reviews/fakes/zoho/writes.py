"""Inserts, updates, upserts and deletes: each record has a result of its own."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, Final

from account_reviews.fakes.faults import FaultAction
from account_reviews.fakes.framework import Call, Reply
from account_reviews.fakes.zoho.errors import ElementError, refused
from account_reviews.fakes.zoho.org import Org, Row, told
from account_reviews.fakes.zoho.schema import (
    AREA,
    DATE,
    DOUBLE,
    EMAIL,
    LOOKUP,
    MOMENT,
    MONEY,
    NUMBER,
    OPERATION_FIELD,
    OWNER,
    PICK,
    UPSERTS,
    YES_NO,
    Field,
)

RECORDS: Final = 100
_KINDS: Final[dict[str, tuple[type, ...]]] = {
    NUMBER: (int,), MONEY: (int, float), DOUBLE: (int, float), YES_NO: (bool,),
    LOOKUP: (dict,), OWNER: (dict,),
}  # fmt: skip


class Writes:
    """What writes to the org do and answer."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def insert(self, call: Call, module: str) -> Reply:
        """POST /{module}."""
        return self._each(call, lambda given: self._insert(call, module, given))

    def update(self, call: Call, module: str, row: Row | None) -> Reply:
        """PUT /{module}/{id}; a record without its id in the body is the one of the path."""

        def one(given: Mapping[str, Any]) -> dict[str, Any]:
            found = row or self._org.find(module, str(given.get("id", "")))
            if found is None:
                raise ElementError("INVALID_DATA", 404, id=given.get("id"))
            return self._update(call, found, given)

        return self._each(call, one)

    def upsert(self, call: Call, module: str) -> Reply:
        """POST /{module}/upsert."""
        if module not in UPSERTS:
            return refused(400, "INVALID_MODULE", {"resource_path_index": 0})
        try:
            named = call.json().get("duplicate_check_fields") or []
        except (ValueError, AttributeError):
            named = []
        unique = [one.name for one in self._org.unique_fields(module)]
        checks = [name for name in named if name in unique] or unique

        def one(given: Mapping[str, Any]) -> dict[str, Any]:
            for name in checks:
                row = self._org.holder(module, name, given[name]) if given.get(name) else None
                if row is not None:
                    shown = self._update(call, row, given)
                    return {**shown, "action": "update", "duplicate_field": name}
            return {**self._insert(call, module, given), "action": "insert"}

        return self._each(call, one)

    def delete(self, call: Call, row: Row) -> Reply:
        """DELETE /{module}/{id}."""
        self._org.delete(row, call.now)
        call.committed, call.records = True, [row.id]
        shown = {"code": "SUCCESS", "details": {"id": row.id}, "message": "record deleted"}
        return Reply(200, {"data": [{**shown, "status": "success"}]})

    def _each(self, call: Call, do: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Reply:
        """One result per record: 200 or 201, 207 for a mixture, else that of the only error."""
        elements = _elements(call)
        if isinstance(elements, Reply):
            return elements
        shown: list[dict[str, Any]] = []
        statuses: list[int] = []
        ids: list[str] = []
        for number, given in enumerate(elements):
            try:
                if number == 0 and call.meets(FaultAction.ELEMENT_ERROR) and call.fault:
                    raise ElementError(call.fault.code or "INVALID_DATA", api_name="id")
                found = do(given)
            except ElementError as error:
                shown.append(error.shown)
                statuses.append(error.status)
                continue
            shown.append(found)
            statuses.append(201 if call.method == "POST" else 200)
            ids.append(found["details"]["id"])
            call.operation_id = call.operation_id or given.get(OPERATION_FIELD)
        call.records, call.committed = ids, bool(ids)
        call.credits = max(1, -(-len(elements) // 10))
        return Reply(statuses[0] if len(set(statuses)) == 1 else 207, {"data": shown})

    def _insert(self, call: Call, module: str, given: Mapping[str, Any]) -> dict[str, Any]:
        values = self._checked(module, given, None)
        for known in self._org.fields[module].values():
            if known.mandatory and values.get(known.name) in (None, ""):
                raise ElementError(
                    "MANDATORY_NOT_FOUND", api_name=known.name, json_path=_path(known.name)
                )
        _check_parent(given)
        lag = (
            call.fault.delay_ms / 1000 if call.meets(FaultAction.INDEX_LAG) and call.fault else None
        )
        row = self._org.insert(module, values, call.now, lag_s=lag, operation_id=call.operation_id)
        return self._done(row, "record added")

    def _update(self, call: Call, row: Row, given: Mapping[str, Any]) -> dict[str, Any]:
        since = call.headers.get("if-unmodified-since")
        if row.locked is not None:
            raise ElementError(row.locked, 202, id=row.id)
        if since is not None and row.version > _time(since):
            raise ElementError("ALREADY_MODIFIED", 412, id=row.id, Modified_Time=told(row.modified))
        values = self._checked(row.module, given, row)
        self._org.update(
            row, values, call.now, guarded=since is not None, operation_id=call.operation_id
        )
        return self._done(row, "record updated")

    def _done(self, row: Row, message: str) -> dict[str, Any]:
        told_by = {name: self._org.value(row, name) for name in ("Created_By", "Modified_By")}
        details = {
            "id": row.id,
            "Created_Time": told(row.created),
            "Modified_Time": told(row.modified),
            **told_by,
            "$approval_state": "approved",
        }
        return {"code": "SUCCESS", "details": details, "message": message, "status": "success"}

    def _checked(self, module: str, given: Mapping[str, Any], row: Row | None) -> dict[str, Any]:
        """What is stored: unknown fields are passed over, lookups become ids."""
        values: dict[str, Any] = {}
        for name, value in given.items():
            known = self._org.fields[module].get(name)
            if known is None or known.read_only:
                continue
            values[name] = None if value is None else self._value(known, value)
            if known.unique and value is not None:
                self._only_one(module, known, value, row)
        return values

    def _only_one(self, module: str, known: Field, value: Any, row: Row | None) -> None:
        other = self._org.holder(module, known.name, value)
        if other is not None and other is not row:
            raise ElementError(
                "DUPLICATE_DATA",
                api_name=known.name,
                json_path=_path(known.name),
                id=other.id,
                duplicate_record={"id": other.id, "module": {"api_name": module}},
            )

    def _value(self, known: Field, value: Any) -> Any:
        wrong = ElementError(
            "INVALID_DATA", message="invalid data", api_name=known.name,
            json_path=_path(known.name), expected_data_type=known.json_type,
        )  # fmt: skip
        if known.type in (LOOKUP, OWNER):
            return self._pointed(known, value, wrong)
        kinds = _KINDS.get(known.type, (str, list) if known.type == "participants" else (str,))
        if not isinstance(value, kinds) or (isinstance(value, bool) and known.type != YES_NO):
            raise wrong
        if isinstance(value, str):
            self._text(known, value, wrong)
        if known.type == MOMENT and isinstance(value, str):
            return told(_time(value))
        return value

    def _text(self, known: Field, value: str, wrong: ElementError) -> None:
        if len(value) > known.length:
            raise ElementError(
                "INVALID_DATA", message="invalid data", api_name=known.name,
                json_path=_path(known.name), maximum_length=known.length,
            )  # fmt: skip
        try:
            if known.type == DATE:
                date.fromisoformat(value)
            if known.type == MOMENT and datetime.fromisoformat(value).tzinfo is None:
                raise ValueError
            if known.type == EMAIL and "@" not in value:
                raise ValueError
        except ValueError:
            raise wrong from None
        if known.type == PICK and known.values and value not in known.values and known.mandatory:
            raise wrong
        if known.type != AREA and "\n" in value:
            raise wrong

    def _pointed(self, known: Field, value: Any, wrong: ElementError) -> str:
        record_id = value.get("id") if isinstance(value, dict) else value
        if not isinstance(record_id, str):
            raise wrong
        if known.type == OWNER:
            user = self._org.users.get(record_id)
            if user is None or not user.active:
                raise wrong
        elif not any(self._org.find(one, record_id) for one in known.lookup):
            raise wrong
        return record_id


def _check_parent(given: Mapping[str, Any]) -> None:
    """What a record belongs to is named with its module."""
    if given.get("What_Id") and not given.get("$se_module"):
        raise ElementError(
            "MANDATORY_NOT_FOUND", api_name="$se_module", json_path=_path("$se_module")
        )
    parent = given.get("Parent_Id")
    if isinstance(parent, dict) and not parent.get("module"):
        raise ElementError(
            "MANDATORY_NOT_FOUND", api_name="module", json_path=_path("Parent_Id.module")
        )


def _elements(call: Call) -> list[Mapping[str, Any]] | Reply:
    try:
        body = call.json()
    except ValueError:
        return refused(400, "INVALID_DATA", {"expected_data_type": "jsonobject"}, "invalid body")
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, list) or not data or not all(isinstance(one, dict) for one in data):
        return refused(400, "MANDATORY_NOT_FOUND", {"api_name": "data"})
    if len(data) > RECORDS:
        return refused(400, "LIMIT_EXCEEDED", {"limit": RECORDS})
    return data


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ElementError("INVALID_DATA", 400, header="If-Unmodified-Since") from None
    if found.tzinfo is None:
        raise ElementError("INVALID_DATA", 400, header="If-Unmodified-Since")
    return found


def _path(name: str) -> str:
    return f"$.data[0].{name}"
