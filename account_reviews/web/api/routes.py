"""What every path of the API shares: who may, how often, how it is read and answered."""

import json
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote

from fastapi import Depends, Request, Security
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from starlette.responses import Response
from starlette.routing import Match

from account_reviews.domain.access.roles import (
    EVERYWHERE,
    OWN_ACCOUNTS,
    OWN_REVIEWS,
    Verb,
    may_by_scopes,
)
from account_reviews.domain.base import first_fault
from account_reviews.domain.canonical import plain
from account_reviews.domain.errors import BadInputError
from account_reviews.domain.times import can_be_reviewed
from account_reviews.web.api.pace import paced
from account_reviews.web.api.schemas import Problem
from account_reviews.web.identity import Principal, signed_in
from account_reviews.web.site import Here

PREFIX: Final = "/api/v1"
_SLASH: Final = re.compile(rb"%2f", re.IGNORECASE)
_STAND_IN: Final = "\x1f"
"""For a slash within a name, while the path is matched; no name holds it."""
_ERRORS: Final = {
    401: "Nobody is signed in, or the token does not hold.",
    403: "Whoever asks may not do that.",
    404: "There is nothing under that name.",
    409: "Something else happened first; of a decision it says who decided, and when.",
    413: "The body is larger than 1 MiB.",
    422: "The input does not fit; the message names the field.",
    429: "Too much at once. `Retry-After` says in how many seconds to come again.",
    503: "A service that is needed does not answer. `Retry-After` says when to come again.",
}
_Body = TypeVar("_Body", bound=BaseModel)

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="token", description="A token of `reviews tokens create`."
)
_COOKIE: Final = APIKeyCookie(
    name="reviews_session",
    auto_error=False,
    scheme_name="session",
    description="The cookie of a sign-in in the browser; on https its name is "
    "`__Host-reviews_session`. Methods that change something need the header "
    "`X-CSRF-Token` beside it.",
)


class NamedRoute(APIRoute):
    """A path in which a name may hold a slash, written as `%2F`."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """As any path, with the names as they were meant."""
        raw = scope.get("raw_path")
        if scope["type"] != "http" or not raw or not _SLASH.search(raw):
            return super().matches(scope)
        path = unquote(_SLASH.sub(_STAND_IN.encode(), raw).decode("latin-1"))
        match, found = super().matches({**scope, "path": path})
        given = found.get("path_params", {})
        found["path_params"] = {name: _meant(value) for name, value in given.items()}
        return match, found


def _meant(value: Any) -> Any:
    return value.replace(_STAND_IN, "/") if isinstance(value, str) else value


class Query(BaseModel):
    """What may stand behind `?`; anything else is refused."""

    model_config = ConfigDict(extra="forbid")


class Body(BaseModel):
    """A JSON object; fields that are not named are refused, and no value is taken for another."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _number(value: object) -> object:
    if isinstance(value, str) and not (value.isascii() and value.isdecimal()):
        raise ValueError("must be a whole number")
    return value


def _moment(value: object) -> object:
    """A date is 00:00 UTC of that day; a time needs its zone."""
    if not isinstance(value, str):
        raise ValueError("must be a date or a time, as text")  # noqa: TRY004  pydantic takes it
    try:
        found = datetime.combine(date.fromisoformat(value), time.min, UTC)
    except ValueError:
        found = datetime.fromisoformat(value)
    if found.tzinfo is None:
        raise ValueError("has no time zone; end it with Z or +02:00")
    if not can_be_reviewed(found):
        raise ValueError("is not between 1970 and 2199")
    return found


Moment = Annotated[
    datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})
]
"""As `--as-of` takes it: RFC 3339, or a date."""
PlainText = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Limit = Annotated[int, BeforeValidator(_number), Field(ge=1, le=200)]
Cursor = Annotated[
    str, Field(min_length=1, max_length=1000, description="`next_cursor` of the page before.")
]


def may(
    verb: Verb, *, several: Sequence[str] = ()
) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """Who asks, if he may ever do that: 401 and 403 come before anything is said of the input.
    `several`: what may stand behind `?` more than once.

    Whether he may do it to the one that is meant is asked when that is known.
    """

    async def asked(
        request: Request,
        site: Here,
        _paced: Annotated[None, Depends(paced)],
        _token: Annotated[object, Security(_BEARER)],
        _cookie: Annotated[object, Security(_COOKIE)],
    ) -> Principal:
        who = await signed_in(request)
        if not (_may_ever(who, verb) and may_by_scopes(verb, who.scopes)):
            await site.allow(who, verb)
        if verb is not Verb.READ and who.scopes is None:
            await site.allow(who, Verb.READ)
        _refuse_repeated(request, several)
        return who

    return asked


def _refuse_repeated(request: Request, several: Sequence[str]) -> None:
    """BadInputError for what was given twice: one of the two would count, and nobody says which."""
    given = Counter(name for name, _ in request.query_params.multi_items())
    for name, times in given.items():
        if times > 1 and name not in several:
            raise BadInputError(f"{name} is given {times} times; give it once")


def _may_ever(who: Principal, verb: Verb) -> bool:
    tables = (EVERYWHERE, OWN_ACCOUNTS, OWN_REVIEWS)
    return any(verb in table.get(role, ()) for role in who.roles for table in tables)


def answer(document: object, status: int = 200) -> Response:
    """One JSON document, its values as everywhere."""
    text = json.dumps(plain(document), ensure_ascii=False)
    return Response(text.encode(), status, media_type="application/json")


async def body_of(request: Request, model: type[_Body]) -> _Body:
    """The body as that object; a request without a body is an empty one. BadInputError."""
    raw = await request.body()
    if not raw.strip():
        raw = b"{}"
    try:
        given = json.loads(raw.decode(), parse_constant=_no_constant)
        spelled = json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadInputError("the body is not JSON") from None
    if not isinstance(given, dict):
        raise BadInputError("the body is not a JSON object")
    if b"\\u0000" in spelled:
        raise BadInputError("the body holds a NUL character, which cannot be stored")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise BadInputError(first_fault(error)) from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def responses(model: type[BaseModel], *errors: int, status: int = 200, **more: Any) -> Any:
    """What a path answers, for its description."""
    found: dict[int | str, dict[str, Any]] = {status: {"model": model, **more}}
    for one in sorted({401, 403, 422, 429, 503, *errors}):
        headers = {}
        if one in (429, 503):
            said = "Seconds until it makes sense to come again."
            headers = {"Retry-After": {"description": said, "schema": {"type": "integer"}}}
        found[one] = {"model": Problem, "description": _ERRORS[one], "headers": headers}
    return found


def takes(model: type[BaseModel], *, required: bool = True) -> dict[str, Any]:
    """The description of a body: it is read after everything that can forbid the request."""
    schema = model.model_json_schema()
    return {
        "requestBody": {"required": required, "content": {"application/json": {"schema": schema}}}
    }


def listed(documents: Sequence[object], next_cursor: str | None = None) -> dict[str, object]:
    """A list as every list is."""
    return {"items": list(documents), "next_cursor": next_cursor}
