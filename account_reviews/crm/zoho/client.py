"""Calls of the API v8, and the one place that says what its errors mean."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from account_reviews.crm.http.answers import Raw
from account_reviews.crm.http.client import Answer, ApiClient
from account_reviews.crm.zoho.oauth import SERVICE
from account_reviews.domain.errors import (
    CrmAuthError,
    CrmError,
    CrmInvalidError,
    CrmNeedsPersonError,
    CrmOutcomeUnknownError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnavailableError,
    CrmUnreadableError,
)

PREFIX: Final = "/crm/v8"
MOST_FIELDS: Final = 50
"""Of one request; further ones are cut off without a word."""
MOST_IDS: Final = 100
PAGE: Final = 200
LAST_NUMBERED: Final = 2_000
"""Records that page numbers reach; further ones need a page token."""
MOST_ROWS: Final = 2_000
"""Of one query."""
_MANY_PAGES: Final = 500
"""100,000 records, which is where page tokens end."""

_NEEDS_PERSON: Final = {
    "RECORD_LOCKED": "the record is locked",
    "RECORD_IN_BLUEPRINT": "the record is in a blueprint",
    "NOT_APPROVED": "the record waits for an approval",
    "APPROVAL_PENDING": "the record waits for an approval",
    "RECORD_NOT_APPROVED": "the record waits for an approval",
    "REVIEW_PENDING": "the record waits for a review",
}
_SCOPE: Final = frozenset({"OAUTH_SCOPE_MISMATCH"})
_PERMISSION: Final = frozenset({"NO_PERMISSION", "PERMISSION_DENIED", "AUTHORIZATION_FAILED"})
_CREDENTIALS: Final = frozenset({"AUTHENTICATION_FAILURE", "INVALID_TOKEN", "INVALID_OAUTHTOKEN"})
_BUSY: Final = frozenset({"TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED", "LIMIT_EXCEEDED_REQUESTS"})
_OUTAGE: Final = frozenset({"INTERNAL_ERROR", "INTERNAL_SERVER_ERROR", "UNABLE_TO_PROCESS"})
_GONE: Final = frozenset({"RECORD_NOT_FOUND", "INVALID_RECORD_ID", "NOT_FOUND"})
CONFLICT: Final = 412
_CONFLICTS: Final = frozenset({"ALREADY_MODIFIED", "RECORD_MODIFIED", "PRECONDITION_FAILED"})
_SCOPES: Final = (
    ("/coql", "ZohoCRM.coql.READ, ZohoCRM.modules.READ and ZohoCRM.settings.fields.READ"),
    ("/users", "ZohoCRM.users.READ"),
    ("/settings", "ZohoCRM.settings.fields.READ"),
    ("/org", "ZohoCRM.org.READ"),
    ("/actions/watch", "ZohoCRM.notifications.ALL"),
)


@dataclass(frozen=True)
class Written:
    """What became of one record of a write."""

    id: str
    details: Mapping[str, Any]
    updated: bool = False
    """An upsert found the record there already."""


class ConflictSeenError(Exception):
    """The record was changed since the time that the write named; nothing was written."""


class ZohoApi:
    """The calls that reviews need. Errors are those of `domain.errors`."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An answer 200, or 204 and 304, which have no body. CrmRecordNotFoundError for 404."""
        answer = await self._client.send("GET", PREFIX + path, params=params, headers=headers)
        if answer.status in (204, 304):
            return answer
        _check_body(answer)
        if answer.status < 300:
            if not isinstance(answer.body, dict):
                raise CrmUnreadableError(f"{SERVICE} answers with what is no JSON object")
            _check_error_body(answer, "GET", path)
            return answer
        raise failure(answer, "GET", path)

    async def records(self, path: str, fields: Sequence[str], **params: Any) -> Answer:
        """The same with `fields` named, more than 50 in several requests merged by id."""
        parts = list(split_fields(fields))
        answer = await self.get(path, {**params, "fields": ",".join(parts[0])})
        found = {one["id"]: one for one in data_of(answer)}
        for names in parts[1:]:
            more = await self.get(path, {**params, "fields": ",".join(names)})
            for one in data_of(more):
                if one["id"] in found:
                    found[one["id"]].update(one)
        return answer

    async def pages(
        self,
        path: str,
        fields: Sequence[str],
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Every record of a list, page by page: by number first, by token past 2,000.

        `fields` are 50 at most. CrmUnreadableError when it does not come to an end.
        """
        where: Mapping[str, Any] | None = {"page": 1}
        for _ in range(_MANY_PAGES):
            found, where = await self.page(path, fields, where or {}, headers, **params)
            if found:
                yield found
            if where is None:
                return
        raise CrmUnreadableError(f"{SERVICE} gives more than 100,000 records of {path}")

    async def page(
        self,
        path: str,
        fields: Sequence[str],
        where: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        **params: Any,
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """One page of a list, and where the next one is: `where` of that; None after the last."""
        asked = {**params, "fields": ",".join(fields), "per_page": PAGE, **where}
        answer = await self.get(path, asked, headers)
        found, info = data_of(answer), _info(answer)
        more = bool(info.get("more_records")) and bool(found)
        return found, _next_page(where, info) if more else None

    async def query(self, select: str, limit: int = MOST_ROWS) -> list[dict[str, Any]]:
        """The rows of a COQL query, each with its id. CrmInvalidError names a column in `field`
        when the org lacks it. `select` goes without its limit."""
        answer = await self._query(select, limit)
        return [] if answer is None else data_of(answer)

    async def query_plain(self, select: str, limit: int) -> list[dict[str, Any]]:
        """The rows of a query whose rows are no records."""
        answer = await self._query(select, limit)
        rows = (answer.body or {}).get("data") if answer is not None else []
        return [row for row in rows or () if isinstance(row, dict)]

    async def _query(self, select: str, limit: int) -> Answer | None:
        asked = {"select_query": f"{select} limit {limit}"}
        credits = 1 if limit <= 200 else 2 if limit <= 1000 else 3
        answer = await self._client.send("POST", f"{PREFIX}/coql", json=asked, credits=credits)
        if answer.status == 204:
            return None
        _check_body(answer)
        if answer.status >= 300:
            raise failure(answer, "POST", "/coql")
        _check_error_body(answer, "POST", "/coql")
        return answer

    async def write(
        self,
        method: str,
        path: str,
        record: Mapping[str, Any],
        *,
        operation_id: str,
        unmodified_since: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Written:
        """Write one record.

        ConflictSeenError; CrmOutcomeUnknownError when there is no result for the record; any
        other refusal says that nothing was written.
        """
        headers = {} if unmodified_since is None else {"If-Unmodified-Since": unmodified_since}
        try:
            answer = await self._client.send(
                method,
                PREFIX + path,
                json={"data": [record], **(more or {})},
                headers=headers,
                operation_id=operation_id,
            )
        except CrmUnreadableError as error:
            raise CrmOutcomeUnknownError(error.message) from None
        if answer.status == CONFLICT:
            raise ConflictSeenError
        return _result_of(answer, method, path)

    async def watch(self, channel: Mapping[str, Any], *, exists: bool) -> None:
        """Make a channel, or make one that exists last longer."""
        method, path = "PUT" if exists else "POST", "/actions/watch"
        answer = await self._client.send(method, PREFIX + path, json={"watch": [channel]})
        body = answer.body if isinstance(answer.body, dict) else {}
        results = body.get("watch")
        first = results[0] if isinstance(results, list) and results else body
        if answer.status >= 300 or not isinstance(first, dict) or first.get("status") != "success":
            raise _meaning(first, max(answer.status, 400), method, path)


def lacks_scope(raw: Raw) -> bool:
    """Whether a 401 is about a scope that was not consented to."""
    return any(code.encode() in raw.content for code in _SCOPE)


def split_fields(fields: Sequence[str]) -> list[list[str]]:
    """Names in parts that one request takes."""
    names = list(dict.fromkeys(fields))
    return [names[n : n + MOST_FIELDS] for n in range(0, len(names), MOST_FIELDS)] or [[]]


def data_of(answer: Answer) -> list[dict[str, Any]]:
    """The records of an answer, each with its id; none of an answer without a body.

    CrmUnreadableError.
    """
    if answer.body is None:
        return []
    found = answer.body.get("data") if isinstance(answer.body, dict) else None
    if not isinstance(found, list) or not all(_is_record(one) for one in found):
        raise CrmUnreadableError(f"{SERVICE} answers with what is no list of records")
    for one in found:
        one["id"] = str(one["id"])
    return found


def record_path(module: str, record_id: str, *more: str) -> str:
    """The path of one record, or of something of it."""
    return "/" + "/".join(quote(part, safe="") for part in (module, record_id, *more))


def failure(answer: Answer, method: str, path: str) -> CrmError:
    """What an answer that is no success means."""
    body = answer.body if isinstance(answer.body, dict) else {}
    if not body.get("code") and isinstance(body.get("data"), list) and body["data"]:
        first = body["data"][0]
        body = first if isinstance(first, dict) else body
    return _meaning(body, answer.status, method, path)


def _meaning(body: Mapping[str, Any], status: int, method: str, path: str) -> CrmError:
    code = str(body.get("code") or "").upper()
    details = body.get("details")
    details = details if isinstance(details, dict) else {}
    if code in _SCOPE:
        scope = _scope_of(path, method)
        several = " and " in scope
        missing = f"the scopes {scope} are missing" if several else f"the scope {scope} is missing"
        return CrmPermissionError(
            f"{SERVICE} does not allow this: {missing}",
            hint=f"connect anew with {'them' if several else 'that scope'}, see docs/zoho.md",
        )
    if code in _NEEDS_PERSON:
        return CrmNeedsPersonError(
            f"{SERVICE} lets nobody change it now: {_NEEDS_PERSON[code]}",
            hint="somebody has to act in the CRM first; the next review proposes it again",
        )
    if code in _CREDENTIALS or status == 401:
        return CrmAuthError(
            f"{SERVICE} does not accept our credentials and says {code or status}",
            hint="connect anew with `reviews crm connect zoho`",
        )
    if code in _PERMISSION or status == 403:
        said = str(details.get("permissions") or details.get("api_name") or path)
        return CrmPermissionError(
            f"{SERVICE} does not allow this to the connected user: {code or status} for {said}",
            hint="see the user's profile in Zoho, Setup, Security Control",
        )
    if code in _BUSY or status == 429:
        return CrmRateLimitedError(f"{SERVICE} asks us to slow down")
    if code in _OUTAGE or status >= 500:
        return CrmUnavailableError(f"{SERVICE} answers {code or status}")
    if status == 404 or code in _GONE or details.get("resource_path_index") == 1:
        return CrmRecordNotFoundError(f"{SERVICE} has no {path.removeprefix('/')}")
    return _invalid(code, details, status, path)


def _invalid(code: str, details: Mapping[str, Any], status: int, path: str) -> CrmInvalidError:
    """A value, a field or a question that it does not take."""
    names = ("api_name", "column_name", "field", "id")
    name = next((str(details[key]) for key in names if details.get(key)), "")
    wanted = "; ".join(
        f"{key.replace('_', ' ')} {details[key]}"
        for key in ("expected_data_type", "maximum_length", "expected", "reason")
        if isinstance(details.get(key), str | int)
    )
    shown = f" for {name}" if name else f" for {path}"
    said = code or f"status {status}"
    message = f"{SERVICE} does not accept it: {said}{shown}"
    error = CrmInvalidError(f"{message} ({wanted})" if wanted else message, field=name or "record")
    error.add_note(code)
    return error


def code_of(error: CrmError) -> str:
    """The word that Zoho used, where it is an invalid value; else empty."""
    return next(iter(getattr(error, "__notes__", ())), "")


def _scope_of(path: str, method: str) -> str:
    for part, scope in _SCOPES:
        if path.startswith(part):
            return scope
    module = path.split("/")[1] if path.count("/") else path
    right = {"GET": "READ", "PUT": "UPDATE", "POST": "CREATE", "DELETE": "DELETE"}[method]
    return f"ZohoCRM.modules.{module.lower()}.{right}"


def _check_body(answer: Answer) -> None:
    """Nothing is 204: a success that says nothing was lost on its way. CrmUnavailableError."""
    if answer.status < 300 and answer.body is None:
        raise CrmUnavailableError(f"{SERVICE} answers {answer.status} without a document")


def _check_error_body(answer: Answer, method: str, path: str) -> None:
    """A success whose body is an error is that error."""
    body = answer.body
    if isinstance(body, dict) and body.get("status") == "error" and "data" not in body:
        raise failure(Answer(400, body, answer.headers, answer.date), method, path)


def _result_of(answer: Answer, method: str, path: str) -> Written:
    """The result of the one record of a write, whatever the status is."""
    body = answer.body if isinstance(answer.body, dict) else {}
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else None
    if not isinstance(first, dict):
        if answer.status >= 400 or body.get("status") == "error":
            raise failure(answer, method, path)
        raise CrmOutcomeUnknownError(f"{SERVICE} gave no result for the record")
    if first.get("status") != "success":
        if first.get("code") is None and first.get("status") is None:
            raise CrmOutcomeUnknownError(f"{SERVICE} gave no result for the record")
        if str(first.get("code")).upper() in _CONFLICTS:
            raise ConflictSeenError
        raise _meaning(first, max(answer.status, 400), method, path)
    details = first.get("details")
    if not isinstance(details, dict) or not details.get("id"):
        raise CrmOutcomeUnknownError(f"{SERVICE} says that it wrote, but not which record")
    return Written(str(details["id"]), details, updated=first.get("action") == "update")


def _is_record(one: object) -> bool:
    return isinstance(one, dict) and isinstance(one.get("id"), str | int)


def _info(answer: Answer) -> dict[str, Any]:
    found = answer.body.get("info") if isinstance(answer.body, dict) else None
    return found if isinstance(found, dict) else {}


def _next_page(where: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, Any]:
    number = where.get("page")
    token = info.get("next_page_token")
    if number is not None and (number + 1) * PAGE <= LAST_NUMBERED:
        return {"page": number + 1}
    if not token:
        raise CrmUnreadableError(f"{SERVICE} has more records, but gives no token for them")
    return {"page_token": str(token)}
