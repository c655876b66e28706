"""Lists, single records, related lists, searches, what was deleted and who changed what."""

import base64
import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from account_reviews.fakes.framework import Call, Reply
from account_reviews.fakes.zoho.errors import refused
from account_reviews.fakes.zoho.org import Org, Row, name_of, told
from account_reviews.fakes.zoho.schema import RELATED, RelatedList

FIELDS, PER_PAGE, PAGED, TOKEN_PAGED = 50, 200, 2_000, 100_000
_TOKEN_LIFE: Final = timedelta(hours=24)
_SORTS: Final = ("id", "Created_Time", "Modified_Time")


class Reads:
    """What reads of the org answer."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def page(self, call: Call, module: str) -> Reply:
        """GET /{module}."""
        wrong = wrong_fields(call)
        if wrong is not None:
            return wrong
        rows: Iterable[Row] = self._org.rows[module].values()
        if "ids" in call.query:
            wanted = call.query["ids"].split(",")
            rows = [row for row in map(self._org.rows[module].get, wanted) if row is not None]
        return self._listed(call, rows)

    def one(self, call: Call, module: str, key: str) -> Reply:
        """GET /{module}/{id}, by its id or by an external field."""
        row = self.find(call, module, key)
        if isinstance(row, Reply):
            return row
        if row is None:
            return Reply(204)
        since = _moment(call.headers.get("if-modified-since"))
        if since is not None and row.version <= since:
            return Reply(304)
        call.records = [row.id]
        return Reply(200, {"data": [self._org.shown(row, _fields(call))]})

    def find(self, call: Call, module: str, key: str) -> Row | Reply | None:
        """The record that a path names; a Reply when the path cannot name one."""
        external = call.headers.get("x-external")
        if external:
            other, _, name = external.rpartition(".")
            known = self._org.fields[module].get(name)
            if other not in ("", module) or known is None or not known.unique:
                return refused(
                    400, "INVALID_DATA", {"header": "X-EXTERNAL"}, "invalid external field"
                )
            return self._org.holder(module, name, key)
        if not re.fullmatch(r"\d{10,19}", key):
            return refused(400, "INVALID_DATA", {"resource_path_index": 1})
        return self._org.find(module, key)

    def related(self, call: Call, module: str, key: str, name: str) -> Reply:
        """GET /{module}/{id}/{related list}."""
        parent = self.find(call, module, key)
        if isinstance(parent, Reply):
            return parent
        found = next((one for one in RELATED.get(module, ()) if one.name == name), None)
        if found is None:
            return refused(
                400, "INVALID_DATA", {"resource_path_index": 2},
                "the relation name given seems to be invalid",
            )  # fmt: skip
        wrong = wrong_fields(call)
        if wrong is not None:
            return wrong
        if parent is None:
            return refused(400, "INVALID_DATA", {"resource_path_index": 1})
        return self._listed(call, self._children(call, found, parent))

    def search(self, call: Call, module: str) -> Reply:
        """GET /{module}/search: what the index knows by now."""
        rows = [row for row in self._org.rows[module].values() if row.indexed <= call.now]
        word, criteria = call.query.get("word"), call.query.get("criteria")
        email = call.query.get("email")
        if criteria:
            tests = [_criterion(part) for part in re.findall(r"\(([^()]+)\)", criteria)]
            if not tests or None in tests:
                return refused(400, "INVALID_QUERY", {"reason": "the criteria cannot be read"})
            rows = [row for row in rows if all(test(self._org, row) for test in tests if test)]
        elif word or email:
            text = (word or email or "").casefold()
            rows = [row for row in rows if _says(row, text)]
        else:
            return refused(400, "REQUIRED_PARAM_MISSING", {"param": "criteria"})
        return self._listed(call, rows)

    def deleted(self, call: Call, module: str) -> Reply:
        """GET /{module}/deleted."""
        since = _moment(call.headers.get("if-modified-since"))
        found = [
            {
                "id": record_id, "deleted_time": told(at), "type": "recycle", "display_name": None,
                "deleted_by": {"id": by}, "created_by": {"id": by},
            }
            for record_id, at, by in self._org.deleted[module]
            if since is None or at > since
        ]  # fmt: skip
        page, per_page = _page(call)
        window = found[(page - 1) * per_page : page * per_page]
        if not window:
            return Reply(204)
        more = len(found) > page * per_page
        return Reply(200, {"data": window, "info": _info(page, per_page, len(window), more)})

    def count(self, call: Call, module: str) -> Reply:
        del call
        return Reply(200, {"count": len(self._org.rows[module])})

    def timeline(self, call: Call, module: str, key: str) -> Reply:
        """GET /{module}/{id}/__timeline, newest first."""
        row = self.find(call, module, key)
        if isinstance(row, Reply):
            return row
        if row is None or not row.changes:
            return Reply(204)
        found = [
            {
                "id": f"{row.id}{number:03}", "action": "updated", "audited_time": told(at),
                "done_by": {"id": by}, "record": {"id": row.id, "name": name_of(row)},
                "field_history": [
                    {"api_name": name, "_value": {"old": before.get(name), "new": value}}
                    for name, value in after.items()
                ],
            }
            for number, (at, by, before, after) in enumerate(row.changes)
        ]  # fmt: skip
        return Reply(200, {"__timeline": found[::-1], "info": _info(1, 200, len(found), False)})

    def _children(self, call: Call, wanted: RelatedList, parent: Row) -> list[Row]:
        rows = self._org.children(wanted.module, wanted.field, parent.id)
        if wanted.closed is None:
            return list(rows)
        return [row for row in rows if self._org.is_closed(row, call.now) == wanted.closed]

    def _listed(self, call: Call, rows: Iterable[Row]) -> Reply:
        """A page of rows: by number up to 2,000 of them, by token beyond."""
        since = _moment(call.headers.get("if-modified-since"))
        kept = [row for row in rows if since is None or row.version > since]
        if not kept:
            return Reply(304 if since is not None else 204)
        name = call.query.get("sort_by", "id")
        if name not in _SORTS:
            return refused(400, "INVALID_DATA", {"api_name": "sort_by"}, "invalid sort")
        falls = call.query.get("sort_order", "desc") == "desc"
        kept.sort(key=lambda row: (self._org.raw(row, name), row.id), reverse=falls)
        token = call.query.get("page_token")
        if token and "page" in call.query:
            return refused(400, "INVALID_DATA", {"param": "page_token"}, "page is given too")
        page, per_page = _page(call)
        start = (page - 1) * per_page if token is None else _start_of(token, call)
        if start is None:
            return refused(400, "INVALID_DATA", {"param": "page_token"}, "invalid page token")
        if token is None and start + per_page > PAGED:
            return refused(
                400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", {"param": "page", "limit": PAGED}
            )
        window = kept[start : min(start + per_page, TOKEN_PAGED)]
        if not window:
            return Reply(204)
        more = len(kept) > start + per_page
        info = _info(page, per_page, len(window), more)
        info |= {"sort_by": name, "sort_order": "desc" if falls else "asc"}
        if more:
            expires = call.now + _TOKEN_LIFE
            info["next_page_token"] = _token(start + per_page, expires)
            info["page_token_expiry"] = told(expires)
        call.records = [row.id for row in window]
        names = _fields(call)
        return Reply(200, {"data": [self._org.shown(row, names) for row in window], "info": info})


def wrong_fields(call: Call) -> Reply | None:
    """A list has to name its fields, 50 at most."""
    names = call.query.get("fields")
    if not names:
        return refused(400, "REQUIRED_PARAM_MISSING", {"param": "fields"})
    if len(names.split(",")) > FIELDS:
        return refused(400, "LIMIT_EXCEEDED", {"param": "fields", "limit": FIELDS})
    if int(call.query.get("per_page", "200") or 0) > PER_PAGE:
        return refused(400, "INVALID_DATA", {"param": "per_page", "limit": PER_PAGE})
    return None


def _fields(call: Call) -> list[str] | None:
    names = call.query.get("fields")
    return [name.strip() for name in names.split(",")] if names else None


def _page(call: Call) -> tuple[int, int]:
    return max(1, int(call.query.get("page", "1"))), int(call.query.get("per_page", "200"))


def _info(page: int, per_page: int, count: int, more: bool) -> dict[str, Any]:
    return {"page": page, "per_page": per_page, "count": count, "more_records": more}


def _token(start: int, expires: datetime) -> str:
    text = json.dumps({"start": start, "expires": expires.isoformat()})
    return base64.urlsafe_b64encode(text.encode()).decode()


def _start_of(token: str, call: Call) -> int | None:
    try:
        found = json.loads(base64.urlsafe_b64decode(token))
        expires = datetime.fromisoformat(found["expires"])
        return int(found["start"]) if expires > call.now else None
    except (ValueError, KeyError, TypeError):
        return None


def _moment(text: str | None) -> datetime | None:
    """ISO 8601 with an offset; anything else is passed over, as Zoho does."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _criterion(text: str) -> Callable[[Org, Row], bool] | None:
    name, sign, value = (*text.split(":", 2), "", "")[:3]
    wanted = value.strip("'\"").casefold()
    match sign:
        case "equals":
            return lambda org, row: str(org.raw(row, name) or "").casefold() == wanted
        case "starts_with":
            return lambda org, row: str(org.raw(row, name) or "").casefold().startswith(wanted)
        case "in":
            several = wanted.split(",")
            return lambda org, row: str(org.raw(row, name) or "").casefold() in several
        case _:
            return None


def _says(row: Row, text: str) -> bool:
    return any(text in value.casefold() for value in row.values.values() if isinstance(value, str))
