"""Environment names of earlier installations: what each sets here, or why it sets nothing.

Our own name always wins over an alias.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from account_reviews.domain.errors import BadInputError


class Alias(NamedTuple):
    """One name: the setting it stands for, and how its text becomes the value."""

    target: str
    read: Callable[[str], Any]


def _whole(text: str) -> int:
    return int(text)


def _hours(text: str) -> str:
    return f"{int(text)}h"


def _seconds(text: str) -> str:
    return f"{int(text)}s"


POLICY: Final[Mapping[str, Alias]] = {
    "APPROVAL_TIMEOUT": Alias("approvals.timeout", _seconds),
    "APPROVAL_TIMEOUT_HOURS": Alias("approvals.timeout", _hours),
    "INACTIVITY_THRESHOLD_DAYS": Alias("risk.inactivity_days", _whole),
    "DEAL_STALLED_THRESHOLD_DAYS": Alias("risk.stalled_days", _whole),
    "SESSION_MAX_CONCURRENT": Alias("admission.max_open", _whole),
    "SESSION_TIMEOUT_SECS": Alias("idle.timeout", _seconds),
    "WEBHOOK_EVENT_TTL": Alias("events.duplicates", _seconds),
}
"""Keys of the policy. A later name wins over an earlier one for the same key."""

LIMITS: Final[Mapping[str, Alias]] = {
    "MAX_ACTIVITIES_PER_ACCOUNT": Alias("activities", _whole),
    "MAX_NOTES_PER_ACCOUNT": Alias("notes", _whole),
    "MAX_DEALS_PER_ACCOUNT": Alias("deals", _whole),
    "ACTIVITY_LOOKBACK_DAYS": Alias("lookback_days", _whole),
}
"""How much of an account a snapshot takes in."""


class Bounded(NamedTuple):
    """One name: the setting it stands for, and the least and the most it may be."""

    target: str
    least: float
    most: float


CALLS: Final[Mapping[str, Bounded]] = {
    "ZOHO_API_TIMEOUT": Bounded("api_timeout", 1, 600),
    "CIRCUIT_BREAKER_FAILURE_THRESHOLD": Bounded("breaker_failures", 3, 10),
    "CIRCUIT_BREAKER_RECOVERY_TIMEOUT": Bounded("breaker_open_seconds", 30, 300),
    "CIRCUIT_BREAKER_HALF_OPEN_CALLS": Bounded("breaker_trials", 1, 10),
    "CIRCUIT_BREAKER_SUCCESS_THRESHOLD": Bounded("breaker_successes", 1, 10),
    "MAX_RETRY_ATTEMPTS": Bounded("retry_tries", 1, 10),
    "RETRY_BASE_DELAY": Bounded("retry_first_seconds", 0.1, 60),
    "RETRY_MAX_DELAY": Bounded("retry_longest_seconds", 1, 3600),
    "RETRY_EXPONENTIAL_BASE": Bounded("retry_factor", 1, 10),
    "WEBHOOK_MAX_QUEUE_SIZE": Bounded("webhook_max_queue", 1, 1_000_000),
}
"""How services behind HTTP are called, and how many of their calls wait."""

SIGNS: Final = "WEBHOOK_SECRET"
"""What Zoho signs with."""

JITTER: Final = "RETRY_JITTER_ENABLED"
_WORDS: Final = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip

DATABASE: Final = (
    "DATABASE_HOST",
    "DATABASE_PORT",
    "DATABASE_NAME",
    "DATABASE_USER",
    "DATABASE_PASSWORD",
)

_SESSIONS = "open and idle reviews go by admission.max_open and idle.timeout of the policy"
_QUESTIONS = "a review takes 8 unanswered questions; the number is fixed"
_WEBHOOKS = "workers take events as they come, and try each three times: see docs/webhooks.md"
_ALWAYS = "this cannot be switched off"
_NO_EFFECT: Final[Mapping[str, str]] = {
    "REDIS_": "there is no Redis: state is in Temporal and PostgreSQL",
    "SESSION_": _SESSIONS,
    "EXAI_WS_SESSION_": _QUESTIONS,
    "WEBHOOK_": _WEBHOOKS,
    "ENABLE_HUMAN_APPROVAL": _ALWAYS,
    "ENABLE_AUDIT_LOGGING": _ALWAYS,
    "ENABLE_FAILOVER": _ALWAYS,
    "HEALTH_CHECK_INTERVAL": "nothing is checked in the background; run `reviews doctor`",
    "ACCOUNT_REVIEW_CADENCE": "schedules are declared in a file, see docs/schedules.md",
    "MAX_CONCURRENT_ACCOUNTS": "set cycle.window in the policy",
    "NOTES_LOOKBACK_DAYS": "notes share ACTIVITY_LOOKBACK_DAYS",
    "DATA_SCOUT_TIMEOUT": "time-outs are fixed by kind of work in workflows/policies.py",
    "APPROVAL_MAX_PENDING": "the number of open requests is not limited",
    "APPROVAL_AUTO_REJECT_AFTER": "set approvals.timeout and approvals.on_timeout in the policy",
}
"""A name, or the start of names (ending in `_`), and why it sets nothing."""


def without_effect(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The known names in the environment that set nothing, each with the reason."""
    found = {}
    for name in sorted(environment.keys() - POLICY.keys() - CALLS.keys() - {SIGNS}):
        for known, reason in _NO_EFFECT.items():
            if name == known or (known.endswith("_") and name.startswith(known)):
                found[name] = reason
    return found


def read(
    aliases: Mapping[str, Alias], environment: Mapping[str, str] = os.environ
) -> dict[str, tuple[str, Any]]:
    """Target -> (name that set it, value). BadInputError names the variable that does not fit."""
    found: dict[str, tuple[str, Any]] = {}
    for name, alias in aliases.items():
        text = environment.get(name, "").strip()
        if not text:
            continue
        try:
            found[alias.target] = name, alias.read(text)
        except ValueError:
            raise BadInputError(f"{name} is {text!r}, but must be a whole number") from None
    return found


def calls(environment: Mapping[str, str] = os.environ) -> dict[str, tuple[str, Any]]:
    """Setting -> (name that set it, value). BadInputError names the variable that does not fit."""
    found: dict[str, tuple[str, Any]] = {}
    for name, bounded in CALLS.items():
        text = environment.get(name, "").strip()
        if text:
            found[bounded.target] = name, _within(name, text, bounded)
    text = environment.get(JITTER, "").strip()
    if text:
        found["retry_jitter"] = JITTER, flag(JITTER, text)
    if environment.get(SIGNS):
        found["zoho_webhook_secret"] = SIGNS, environment[SIGNS]
    return found


def flag(name: str, text: str) -> bool:
    """True or false as people write them. BadInputError."""
    value = _WORDS.get(text.strip().lower())
    if value is None:
        raise BadInputError(f"{name} is {text!r}, but must be true or false")
    return value


def _within(name: str, text: str, bounded: Bounded) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not bounded.least <= value <= bounded.most:
        raise BadInputError(
            f"{name} is {text!r}, but must be from {bounded.least:g} to {bounded.most:g}"
        )
    return value


def database_url(environment: Mapping[str, str]) -> str | None:
    """The URL that DATABASE_HOST and its companions describe; None without a host."""
    host, port, name, user, password = (environment.get(key, "").strip() for key in DATABASE)
    if not host:
        return None
    if port and not port.isdecimal():
        raise BadInputError(f"DATABASE_PORT is {port!r}, but must be a port number")
    secret = f":{quote(password, safe='')}" if password else ""
    login = f"{quote(user, safe='')}{secret}@" if user else ""
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    return f"postgresql+asyncpg://{login}{host}:{port or 5432}/{quote(name or 'reviews', safe='')}"
