"""Which Temporal Service is used: one choice for all commands, workers and `reviews dev`.

What the environment names wins (TEMPORAL_ADDRESS, or the profile of TEMPORAL_PROFILE or
TEMPORAL_CONFIG_FILE), then the running local stack, then the default profile of Temporal's own
configuration file.
"""

import os
from typing import Any, Final, NamedTuple

from temporalio.envconfig import ClientConfigProfile

from account_reviews.config import ports
from account_reviews.config.settings import Settings, is_set
from account_reviews.config.temporal import sdk_variables
from account_reviews.domain.errors import BadInputError, ConflictError, UnreachableError
from account_reviews.temporal import names

ENVIRONMENT: Final = "environment"
STACK: Final = "stack.json"
PROFILE: Final = "Temporal profile"

_NAMES_A_PROFILE: Final = ("TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE")


class Service(NamedTuple):
    """What `Client.connect` takes, and who named the address."""

    options: dict[str, Any]
    origin: str
    passed_over: str | None = None
    """The address of the default profile, where the running stack is used in its place."""


def choose(settings: Settings) -> Service:
    """The service to use. UnreachableError when nothing names one.

    BadInputError for settings of Temporal's own that cannot be read.
    """
    named = named_by_environment()
    if named is not None:
        return _with_namespace(named, settings)
    default = _load()
    address = settings.stack.get("temporal_address")
    if address:
        same = default.get("target_host") == address
        options = default if same else _load(disable_file=True)
        passed_over = None if same else default.get("target_host")
        chosen = Service({**options, "target_host": address}, STACK, passed_over)
    elif default.get("target_host"):
        chosen = Service(default, PROFILE)
    else:
        raise UnreachableError(
            f"no Temporal: TEMPORAL_ADDRESS is not set and no stack runs in {settings.data_dir}",
            hint="start one with `reviews dev` or set TEMPORAL_ADDRESS",
        )
    return _with_namespace(chosen, settings)


def named_by_environment() -> Service | None:
    """The service that somebody asked for; None when that is left to us. BadInputError."""
    if not (is_set("TEMPORAL_ADDRESS") or any(map(is_set, _NAMES_A_PROFILE))):
        return None
    options = _load()
    if not options.get("target_host"):
        return None
    return Service(options, ENVIRONMENT if is_set("TEMPORAL_ADDRESS") else PROFILE)


def default_profile_address() -> str | None:
    """What the default profile names, where the environment names nothing. BadInputError."""
    found: str | None = _load().get("target_host")
    return None if named_by_environment() is not None else found


def check_of_one_stack(settings: Settings, service: Service) -> None:
    """ConflictError when the database is the running stack's and Temporal is another one.

    A review would be started on one service and kept in the rows of the other.
    """
    address, theirs = service.options["target_host"], settings.stack.get("temporal_address")
    if settings.database_url is not None or not theirs or _same(address, theirs):
        return
    who = "TEMPORAL_ADDRESS" if service.origin == ENVIRONMENT else "the chosen Temporal profile"
    raise ConflictError(
        f"{who} names {address}, but the database is that of the stack in {settings.data_dir},"
        f" whose Temporal is {theirs}",
        hint="unset it, or set REVIEWS_DATABASE_URL to the database that belongs to it",
    )


def tls_wanted_by(options: dict[str, Any]) -> str | None:
    """What asks for TLS, None when nothing does."""
    if not options.get("tls") and not options.get("api_key"):
        return None
    found = [name for name in sorted(os.environ) if name.startswith("TEMPORAL_TLS")]
    found += ["TEMPORAL_API_KEY"] if is_set("TEMPORAL_API_KEY") else []
    return " and ".join(found) or "the Temporal profile"


def _with_namespace(chosen: Service, settings: Settings) -> Service:
    chosen.options.setdefault("namespace", settings.stack.get("namespace") or names.NAMESPACE)
    return chosen


def _load(*, disable_file: bool = False) -> dict[str, Any]:
    variables = sdk_variables()
    try:
        profile = ClientConfigProfile.load(disable_file=disable_file, override_env_vars=variables)
        return dict(profile.to_client_connect_config())
    except OSError as error:
        raise BadInputError(_about_a_file(error)) from None
    except RuntimeError as error:
        raise BadInputError(f"the Temporal settings cannot be read: {error}") from None


def _about_a_file(error: OSError) -> str:
    """Names the variable, where it is one that names the file."""
    reason = (error.strerror or str(error)).lower()
    for name, value in sorted(os.environ.items()):
        if name.startswith("TEMPORAL_TLS_") and value == error.filename:
            return f"{name} is {value!r}, which cannot be read: {reason}"
    return f"the Temporal profile names {error.filename!r}, which cannot be read: {reason}"


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{ports.LOOPBACK if host.strip('[]') in ports.HERE else host}:{port}"
