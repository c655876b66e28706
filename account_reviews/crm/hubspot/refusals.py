"""What it means when HubSpot does not do what it is asked: the one place that decides."""

import re
from collections.abc import Mapping
from typing import Any, Final

import orjson

from account_reviews.crm.http.answers import Answer, Raw, wait_of
from account_reviews.domain.errors import (
    CrmError,
    CrmInvalidError,
    CrmPermissionError,
    CrmRateLimitedError,
    CrmRecordNotFoundError,
    CrmUnreadableError,
)

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
TOO_LONG: Final = 414
LOCKED: Final = 423
MIGRATING: Final = 477

_WAITS: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
"""Seconds by the policy that a 429 names. A day ends at midnight of a zone we do not know: once an
hour it is asked whether it has."""
_LOCK_SECONDS: Final = 2.0
_MIGRATION_SECONDS: Final = 3600.0
_NAMED: Final = (
    re.compile(r'\\?"name\\?"\s*:\s*\\?"([A-Za-z0-9_]+)'),
    re.compile(r'Property \\?"([A-Za-z0-9_]+)'),
)
"""Where the text of an error names a property."""
_CODE: Final = re.compile(r'\\?"error\\?"\s*:\s*\\?"([A-Z_]+)')
_EXISTING: Final = re.compile(r"[Ee]xisting ID: (\d+)")
UNIQUE_CODES: Final = frozenset({"CONFLICTING_UNIQUE_VALUE", "STORAGE_UNIQUE_CONFLICT"})


def wait_for(raw: Raw) -> float | None:
    """Seconds that an answer 429 asks for: by `Retry-After`, else by the name of its policy."""
    asked = wait_of(raw)
    if asked is not None:
        return asked
    try:
        body = orjson.loads(raw.content)
    except ValueError:
        return None
    if not isinstance(body, Mapping):
        return None
    policy = str(body.get("policyName") or body.get("message") or "").upper()
    for name in ("DAILY", "TEN_SECONDLY_ROLLING", "SECONDLY"):
        if name in policy:
            return _WAITS[name]
    return None


def refusal(answer: Answer, what: str, *, field: str = "value") -> CrmError:
    """The error of an answer that is no success; `what` was to be done, as "read companies".

    A value of a record stands in no message. `field`: of a refusal that names no property.
    """
    body = answer.body if isinstance(answer.body, Mapping) else {}
    category = str(body.get("category") or answer.status)
    match answer.status:
        case 403:
            return _permission(body, what)
        case 404:
            return CrmRecordNotFoundError(f"HubSpot has not got what was asked for to {what}")
        case 423:
            return CrmRateLimitedError(
                f"HubSpot has locked what is needed to {what}", retry_after=_LOCK_SECONDS
            )
        case 477:
            after = answer.headers.get("retry-after", "")
            wait = float(after) if after.isdecimal() else _MIGRATION_SECONDS
            return CrmRateLimitedError("HubSpot is moving the portal", retry_after=wait)
        case 400 | 409:
            name, code = named_property(body)
            said = f"HubSpot does not let us {what}: {code or category}"
            if name is not None:
                said += f" for the property {name}"
            hint = "`reviews crm check` compares the mapping with the portal"
            return CrmInvalidError(said, field=name or field, hint=hint)
        case status if 200 <= status < 300:
            return CrmUnreadableError(f"HubSpot's answer makes no sense when asked to {what}")
        case _:
            return CrmError(f"HubSpot does not let us {what}: {category}")


def named_property(body: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(the property that a refusal is about, its code), as far as it names them."""
    for error in _listed(body.get("errors")):
        context = error.get("context")
        names = context.get("propertyName") if isinstance(context, Mapping) else None
        name = error.get("in") or (names[0] if isinstance(names, list) and names else None)
        if name or error.get("code"):
            return (None if name is None else str(name)), _text(error.get("code"))
    text = str(body.get("message") or "")
    found = next((match for one in _NAMED if (match := one.search(text))), None)
    code = _CODE.search(text)
    return (found[1] if found else None), (code[1] if code else None)


def is_taken(answer: Answer) -> bool:
    """Whether a value that is unique stands at another record already."""
    if answer.status == CONFLICT:
        return True
    body = answer.body if isinstance(answer.body, Mapping) else {}
    return answer.status == BAD_REQUEST and any(code in str(body) for code in UNIQUE_CODES)


def existing_id(answer: Answer) -> str | None:
    """The record that stands in the way, which HubSpot names only in its text."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    found = _EXISTING.search(str(body.get("message") or ""))
    return found[1] if found else None


def _permission(body: Mapping[str, Any], what: str) -> CrmPermissionError:
    scopes: list[str] = []
    for error in _listed(body.get("errors")):
        context = error.get("context")
        if isinstance(context, Mapping):
            for name in ("requiredGranularScopes", "requiredScopes", "missingScopes"):
                scopes += [str(one) for one in context.get(name) or () if str(one) not in scopes]
    if scopes:
        word = "scope" if len(scopes) == 1 else "scopes"
        return CrmPermissionError(
            f"HubSpot does not let us {what}: the app lacks the {word} {', '.join(scopes)}",
            hint="add it to the app, and install or authorise the app again",
        )
    return CrmPermissionError(
        f"HubSpot does not let us {what}: {body.get('category') or 'no permission'}",
        hint="see the scopes of the app, and what its user may do",
    )


def _listed(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return None if value is None else str(value)
