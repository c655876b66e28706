"""Errors as Zoho tells them."""

from collections.abc import Mapping
from typing import Any, Final

from account_reviews.fakes.framework import Reply

_MESSAGES: Final = {
    "INVALID_TOKEN": "invalid oauth token",
    "OAUTH_SCOPE_MISMATCH": "invalid oauth scope to access this URL",
    "NO_PERMISSION": "permission denied",
    "TOO_MANY_REQUESTS": "too many requests, try again later",
    "INVALID_URL_PATTERN": "please check if the URL trying to access is a correct one",
    "INVALID_MODULE": "the module name given seems to be invalid",
    "INVALID_DATA": "the id given seems to be invalid",
    "REQUIRED_PARAM_MISSING": "one of the expected parameter is missing",
    "MANDATORY_NOT_FOUND": "required field not found",
    "DUPLICATE_DATA": "duplicate data",
    "ALREADY_MODIFIED": "the record has been modified since the time given",
    "RECORD_LOCKED": "the record is locked",
    "RECORD_IN_BLUEPRINT": "the record is in a blueprint",
    "NOT_APPROVED": "the record is waiting for approval",
    "LIMIT_EXCEEDED": "the limit is exceeded",
    "INTERNAL_ERROR": "internal server error",
}


def envelope(
    code: str, details: Mapping[str, Any] | None = None, message: str | None = None
) -> dict[str, Any]:
    """An error, of a whole request or of one record."""
    return {
        "code": code,
        "details": dict(details or {}),
        "message": message or _MESSAGES.get(code, code.lower().replace("_", " ")),
        "status": "error",
    }


def refused(
    status: int, code: str, details: Mapping[str, Any] | None = None, message: str | None = None
) -> Reply:
    """A whole request that is turned away."""
    return Reply(status, envelope(code, details, message))


class ElementError(Exception):
    """One record of a write that is turned away. `status` holds when it was the only one."""

    def __init__(
        self, code: str, status: int = 202, message: str | None = None, **details: Any
    ) -> None:
        super().__init__(code)
        self.status = status
        self.shown = envelope(code, details, message)
