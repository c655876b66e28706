"""Errors as answers: JSON for programs, a page in the same design for people."""

import logging
from typing import Any, Final
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from temporalio.service import RPCError

from account_reviews.domain.base import sentence
from account_reviews.domain.errors import (
    BadInputError,
    ConflictError,
    CrmAuthError,
    CrmUnavailableError,
    LimitReachedError,
    NegativeAnswerError,
    NotFoundError,
    PassingError,
    PolicyError,
    ReviewsError,
    UnreachableError,
)
from account_reviews.temporal.client import explained
from account_reviews.web.identity import (
    BadTokenError,
    NotSignedInError,
    TurnedAwayError,
    recognised_name,
)
from account_reviews.web.middleware import GoneError, TooLargeError, TooSlowError
from account_reviews.web.places import shown_path
from account_reviews.web.sparing import Sparing

RETRY_SECONDS: Final = 30
"""When whoever was turned away may come again, where nothing says so."""
_STATUS: Final[tuple[tuple[type[ReviewsError], int], ...]] = (
    (PolicyError, 503),  # of the file of the server: nobody who asks can mend it
    (NotSignedInError, 401),
    (BadTokenError, 401),
    (TooLargeError, 413),
    (TooSlowError, 408),
    (GoneError, 400),
    (NotFoundError, 404),
    (ConflictError, 409),
    (LimitReachedError, 429),
    (CrmUnavailableError, 503),
    (CrmAuthError, 503),
    (UnreachableError, 503),
    (PassingError, 503),
    (NegativeAnswerError, 403),
    (BadInputError, 422),
)
"""The first that fits."""
_TITLES: Final = {
    400: "That cannot be read",
    401: "Please sign in",
    403: "Not allowed",
    404: "Nothing there",
    405: "Not that way",
    408: "That took too long",
    409: "Something else happened first",
    413: "Too large",
    421: "Another address",
    422: "That does not fit",
    429: "Too many at once",
    503: "Not available now",
}
_log = logging.getLogger(__name__)
_away = logging.getLogger(f"{__name__}.away")
_away.addFilter(Sparing())


def status_of(error: ReviewsError) -> int:
    """The HTTP status of an error; 500 for what none of them means."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def title_of(status: int) -> str:
    """A status in words."""
    return _TITLES.get(status, "Something went wrong")


def is_api(request: Request) -> bool:
    """Whether a program asks, which is answered in JSON."""
    return request.url.path.startswith(("/api/", "/openapi", "/health", "/webhooks/"))


def told_of(error: ReviewsError) -> str:
    """What whoever asks is told: where a service stands is for the log."""
    return error.plainly if isinstance(error, UnreachableError) else error.message


def document_of(error: ReviewsError) -> dict[str, Any]:
    """`{"error": {code, message, hint}}`; of a conflict also `decided_by`, `decided_at`."""
    found: dict[str, Any] = {"code": error.code, "message": told_of(error), "hint": error.hint}
    for name in ("decided_by", "decided_at"):
        value = getattr(error, name, None)
        if value is not None:
            found[name] = value
    return {"error": found}


def install(app: FastAPI) -> None:
    """Answer errors of this app so."""
    app.add_exception_handler(ReviewsError, _of_ours)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RPCError, _of_temporal)


async def _of_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ReviewsError)
    return await answer(request, error, status_of(error))


async def _of_temporal(request: Request, error: Exception) -> Response:
    assert isinstance(error, RPCError)
    return await _of_ours(request, explained(error))


async def answer(request: Request, error: ReviewsError, status: int) -> Response:
    """An error as whoever asks can read it. Who is turned away at the door is recorded."""
    if isinstance(error, TurnedAwayError | TooLargeError):
        action = getattr(error, "action", "body")
        name = recognised_name(request) or "unknown"
        address = request.app.state.doors.address_of(request)
        request.app.state.refused.note(action, error.message, name=name, address=address)
    if told_of(error) != error.message:
        _away.warning("a service is away: %s", error.message)
    headers = _headers(error, status)
    if is_api(request):
        if status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(document_of(error), status, headers)
    if status == 401:
        return _to_sign_in(request)
    found: Response = await request.app.state.site.error_page(request, error, status)
    found.headers.update(headers)
    return found


def _headers(error: ReviewsError, status: int) -> dict[str, str]:
    after = getattr(error, "retry_after", None)
    headers = {}
    if status in (429, 503):
        headers["retry-after"] = str(max(1, round(after or RETRY_SECONDS)))
    if status in (408, 413):
        headers["connection"] = "close"  # what is left of the body is not read
    return headers


def _to_sign_in(request: Request) -> Response:
    where = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    address = f"/login?next={quote(where if request.method == 'GET' else '/', safe='')}"
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"hx-redirect": address})
    return RedirectResponse(address, 303)


async def _of_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    said = f"{where or 'the body'}: {sentence(first['msg'])}"
    if not is_api(request):
        said = f"the address or the form holds something that does not fit: {where or 'the body'}"
    return await answer(request, BadInputError(said), 422)


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    texts = {404: "there is nothing at this path", 405: "this path does not take that method"}
    found = ReviewsError(texts.get(error.status_code, str(error.detail)))
    found.code = f"http_{error.status_code}"  # type: ignore[misc]
    response = await answer(request, found, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def answer_anything(request: Request, error: Exception) -> Response:
    """The answer where something went wrong that nobody thought of; the log has the rest."""
    _log.error("%s %s failed", request.method, shown_path(request.url.path), exc_info=error)
    said = ReviewsError("something went wrong; the log of the server says what")
    return await answer(request, said, 500)
