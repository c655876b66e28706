"""Settings, read once at the process edge. Flag > environment > stack.json > default."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from account_reviews.config import environment_aliases
from account_reviews.config.ownership import why_not_ours
from account_reviews.config.reader import known_zone
from account_reviews.config.service_addresses import service_url, web_url
from account_reviews.domain.errors import BadInputError, PolicyError, UnreachableError

if TYPE_CHECKING:
    from account_reviews.domain.audit.redaction import Rules
    from account_reviews.domain.policy.model import Policy
    from account_reviews.domain.records import SnapshotLimits

PREFIX: Final = "REVIEWS_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
_PATHS: Final = (
    "data_dir",
    "audit_signing_key",
    "policy_file",
    "approval_keys_file",
    "smtp_url_file",
    "webhook_secret_file",
    "oidc_client_secret_file",
    "crm_mapping",
    "zoho_client_secret_file",
    "zoho_refresh_token_file",
    "zoho_webhook_token_file",
    "zoho_webhook_secret_file",
    "hubspot_token_file",
    "hubspot_client_secret_file",
    "hubspot_refresh_token_file",
    "cognee_api_key_file",
    "cognee_password_file",
)
_NUMBERS: Final = {
    "zoho_concurrency": (1, 100),
    "zoho_daily_credits": (1, 100_000_000),
    "zoho_window_seconds": (1, 86_400),
    "webhook_max_queue": (1, 1_000_000),
    "breaker_failures": (1, 100),
    "breaker_trials": (1, 100),
    "breaker_successes": (1, 100),
    "retry_tries": (1, 100),
}
"""Whole numbers -> the least and the most."""
_DECIMALS: Final = {
    "api_timeout": (0.1, 600),
    "breaker_open_seconds": (0.1, 3600),
    "retry_first_seconds": (0.01, 3600),
    "retry_longest_seconds": (0.01, 3600),
    "retry_factor": (1, 100),
}
"""Other numbers."""
_ADDRESSES: Final = {"web_url": web_url, "temporal_ui": web_url, "oidc_issuer": service_url}
_MOST: Final = 10_000
"""The largest number a snapshot limit may have."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """`REVIEWS_*` of the environment; the `TEMPORAL_*` part is read by the SDK's own loader.

    A plain dataclass: every command reads it, and a library for settings costs more than most
    commands do.
    """

    data_dir: Path = Path(".reviews")
    database_url: str | None = None
    audit_database_url: str | None = None
    """None: the audit trail stands in the main database."""
    audit_owner_url: str | None = None
    """The audit database for whoever owns the trail: only `audit retain` asks for it."""
    audit_seals: str | None = None
    """The second place of the seals: a file of JSON lines, or the URL of an object store."""
    audit_signing_key: Path | None = None
    """An Ed25519 key in PEM; made when it is missing."""
    audit_keys: str | None = None
    """Fingerprints (SHA-256) of the only public keys that are believed, comma-separated."""
    audit_archive: str | None = None
    """Where old months of the trail go: a directory, or the URL of an object store."""
    hooks: str | None = None
    """Integrators' hooks: `module:callable[,...]`."""
    tenant: str = "default"
    policy_file: Path | None = None
    approval_keys: str | None = field(default=None, repr=False)
    """What signs decisions: `kid:secret[,kid:secret]`, the first signs. A secret."""
    approval_keys_file: Path | None = None
    smtp_url: str | None = field(default=None, repr=False)
    """The mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://...`. A secret."""
    smtp_url_file: Path | None = None
    smtp_from: str | None = None
    """Who mails come from: one address, with a name before it or not."""
    webhook_url: str | None = field(default=None, repr=False)
    """Where notices are posted."""
    webhook_secret: str | None = field(default=None, repr=False)
    """What signs them: `whsec_` and base64 of 24 to 64 bytes."""
    webhook_secret_file: Path | None = None
    web_url: str | None = None
    """What links in notices begin with; None: they have none."""
    temporal_ui: str | None = None
    """Where people find the UI of Temporal: pages of reviews link there. None: that of a running
    local stack."""
    web_proxies: str = "127.0.0.0/8,::1/128"
    """Networks whose X-Forwarded-For is believed, comma-separated."""
    oidc_issuer: str | None = None
    """Who says who people are: https, or http on this machine. None: local users alone."""
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    oidc_client_secret_file: Path | None = None
    oidc_name_claim: str = "email"
    oidc_groups_claim: str = "groups"
    crm_url: str | None = None
    """None: the SQL backend in the main database."""
    crm_write_url: str | None = None
    """The same CRM with the login that may write. None: that of `crm_url`."""
    crm_mapping: Path | None = None
    """The YAML file that says which field of the CRM is which of ours. None: the shipped one."""
    zoho_client_id: str | None = None
    zoho_client_secret: str | None = field(default=None, repr=False)
    zoho_client_secret_file: Path | None = None
    zoho_refresh_token: str | None = field(default=None, repr=False)
    zoho_refresh_token_file: Path | None = None
    zoho_data_centre: str | None = None
    """One of com, eu, in, com.au, jp, com.cn, sa, ca. Never guessed."""
    zoho_accounts_url: str | None = None
    zoho_api_url: str | None = None
    """Before what the service itself calls its address; http only on this machine."""
    zoho_concurrency: int = 10
    """Calls at a time, of all workers together."""
    zoho_daily_credits: int | None = None
    """Credits of 24 hours. None: what the edition of the org allows, as far as it says so."""
    zoho_window_seconds: int = 86_400
    """The window over which the service counts credits."""
    zoho_webhook_token: str | None = field(default=None, repr=False)
    zoho_webhook_token_file: Path | None = None
    zoho_webhook_secret: str | None = field(default=None, repr=False)
    zoho_webhook_secret_file: Path | None = None
    hubspot_token: str | None = field(default=None, repr=False)
    hubspot_token_file: Path | None = None
    hubspot_client_id: str | None = None
    hubspot_client_secret: str | None = field(default=None, repr=False)
    hubspot_client_secret_file: Path | None = None
    hubspot_refresh_token: str | None = field(default=None, repr=False)
    hubspot_refresh_token_file: Path | None = None
    hubspot_api_url: str | None = None
    api_timeout: float = 30.0
    """Seconds for one request to a service behind HTTP."""
    breaker_failures: int = 5
    """Calls in a row without an answer that open its breaker."""
    breaker_open_seconds: float = 60.0
    breaker_trials: int = 3
    """Calls that are let through then."""
    breaker_successes: int = 2
    """Answers to them that close it."""
    retry_tries: int = 3
    """Of one burst, after which a service counts as away."""
    retry_first_seconds: float = 1.0
    retry_longest_seconds: float = 60.0
    retry_factor: float = 2.0
    retry_jitter: bool = True
    """Whether pauses are longer by up to a quarter, by chance."""
    webhook_max_queue: int = 10_000
    """Incoming webhooks that wait at most."""
    memory_url: str | None = None
    """None: the memory in the main database. `cognee+https://host` is a Cognee server."""
    cognee_api_key: str | None = field(default=None, repr=False)
    cognee_api_key_file: Path | None = None
    cognee_username: str | None = None
    cognee_password: str | None = field(default=None, repr=False)
    cognee_password_file: Path | None = None
    log_level: str = "info"
    """One of LOG_LEVELS."""
    locale: str | None = None
    """How dates and numbers are written, such as `en_GB`. None: what the machine says."""
    time_zone: str | None = None
    """In which times are told, such as `Europe/Berlin`. None: the zone of the machine."""

    @classmethod
    def load(cls, **flags: Any) -> Self:
        """Read the environment; BadInputError names the variable that does not fit."""
        given = _given(os.environ)
        if "database_url" not in given:
            url = environment_aliases.database_url(os.environ)
            given |= {} if url is None else {"database_url": url}
        for name, (_, value) in environment_aliases.calls().items():
            if f"{name}_file" not in given:
                given.setdefault(name, value)
        given |= {name: value for name, value in flags.items() if value is not None}
        return cls(**{name: _checked(name, value) for name, value in given.items()})

    @cached_property
    def own_data_dir(self) -> Path:
        """The data directory, whose files are believed. BadInputError when others write there."""
        why = why_not_ours(self.data_dir)
        if why is not None:
            raise BadInputError(
                f"the data directory {self.data_dir} {why}: what lies there is not believed",
                hint="run as its owner, close it to others with `chmod 700`, "
                "or choose another one with REVIEWS_DATA_DIR",
            )
        return self.data_dir

    @cached_property
    def stack(self) -> dict[str, Any]:
        """`stack.json` of the running local stack, empty when none runs."""
        try:
            found = json.loads((self.own_data_dir / "stack.json").read_text())
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) and _runs(found.get("pid")) else {}

    def require_database_url(self) -> str:
        """The database to use. UnreachableError when nothing says which."""
        url = self.database_url or self.stack.get("database_url")
        if not url:
            raise UnreachableError(
                "no database: REVIEWS_DATABASE_URL is not set"
                f" and no stack runs in {self.data_dir}",
                hint="start one with `reviews dev` or set REVIEWS_DATABASE_URL",
            )
        return str(url)

    def require_audit_database_url(self) -> str:
        """The database of the audit trail: its own, else the main one. UnreachableError."""
        return self.audit_database_url or self.require_database_url()

    @property
    def pages_url(self) -> str | None:
        """REVIEWS_WEB_URL, else where the web app of a running local stack shows this database."""
        same = self.database_url in (None, self.stack.get("database_url"))
        found = self.web_url or (self.stack.get("web_url") if same else None)
        return found if isinstance(found, str) else None

    @property
    def temporal_ui_url(self) -> str | None:
        """REVIEWS_TEMPORAL_UI, else the UI of a running local stack."""
        found = self.temporal_ui or self.stack.get("temporal_ui")
        return found if isinstance(found, str) else None

    @property
    def pinned_keys(self) -> frozenset[str]:
        """REVIEWS_AUDIT_KEYS, each 64 hex digits; empty when nothing is pinned. BadInputError."""
        words = (self.audit_keys or "").replace(",", " ").lower().split()
        pins = {word.removeprefix("sha256:") for word in words}
        for pin in pins:
            if len(pin) != 64 or not set(pin) <= set("0123456789abcdef"):
                raise BadInputError(
                    f"REVIEWS_AUDIT_KEYS holds {pin!r}, which is no fingerprint of a key",
                    hint="`reviews audit verify` prints them: 64 hex digits each",
                )
        return frozenset(pins)

    @property
    def seals_place(self) -> str:
        """Where seals are kept a second time."""
        return self.audit_seals or str(self.own_data_dir / "audit" / "seals.jsonl")

    @property
    def signing_key(self) -> Path:
        """The file of the key that signs seals."""
        return self.audit_signing_key or self.own_data_dir / "audit" / "signing-key.pem"

    @property
    def archive_place(self) -> str:
        """Where months of the trail are written before they are dropped."""
        return self.audit_archive or str(self.own_data_dir / "audit" / "archive")

    def secret(self, name: str) -> str | None:
        """A setting that is a secret: its value, else what stands in the file of `{name}_file`.

        BadInputError for a file that cannot be read, and where both are set.
        """
        value: str | None = getattr(self, name)
        path: Path | None = getattr(self, f"{name}_file")
        variable = f"{PREFIX}{name.upper()}"
        if path is None:
            return value
        if value is not None:
            raise BadInputError(
                f"both {variable} and {variable}_FILE are set", hint="set one of them"
            )
        try:
            return path.read_text(encoding="utf-8-sig").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise BadInputError(
                f"{variable}_FILE names {path}, which cannot be read: {why}"
            ) from None

    def credential(self, name: str) -> str | None:
        """A secret that goes into a header. BadInputError also for one that no header carries."""
        found = self.secret(name)
        if found is not None and (not found.isascii() or not found.isprintable() or " " in found):
            raise BadInputError(
                f"{PREFIX}{name.upper()} holds a character that no credential has",
                hint="copy it again, without blanks and line breaks",
            )
        return found

    def audit_rules(self) -> "Rules":
        """What of a value the audit trail may hold. PolicyError as `policy`.

        Where nobody changed the shipped policy these are its rules, and it is not read.
        """
        from account_reviews.domain.audit.redaction import DEFAULT, rules_of

        changed = self.policy_file is not None or environment_aliases.read(
            environment_aliases.POLICY
        )
        return rules_of(self.policy()) if changed else DEFAULT

    def policy(self) -> "Policy":
        """The policy: REVIEWS_POLICY_FILE over aliases of the environment over the shipped file.

        PolicyError names the key, its value and what is allowed.
        """
        import tomllib

        from account_reviews.domain.policy.model import SHIPPED, load_policy, policy_from

        policy = load_policy(self.policy_file)
        set_by_alias = environment_aliases.read(environment_aliases.POLICY)
        if not set_by_alias:
            return policy
        source = self.policy_file or SHIPPED
        layers = [
            _nested({key: value for key, (_, value) in set_by_alias.items()}),
            tomllib.loads(source.read_text(encoding="utf-8-sig")),
        ]
        if self.policy_file is None:
            layers.reverse()
        try:
            return policy_from(_merged(*layers))
        except PolicyError as error:
            names = ", ".join(name for name, _ in set_by_alias.values())
            raise PolicyError(error.message, hint=f"the environment sets {names}") from None

    def snapshot_limits(self) -> "SnapshotLimits":
        """How much of an account a snapshot takes in. BadInputError when an alias does not fit."""
        from account_reviews.domain.records import SnapshotLimits

        found = environment_aliases.read(environment_aliases.LIMITS)
        for name, value in found.values():
            if not 1 <= value <= _MOST:
                raise BadInputError(f"{name} is {value}, but must be from 1 to {_MOST}")
        return SnapshotLimits(**{field: value for field, (_, value) in found.items()})


def is_set(name: str) -> bool:
    """True when the environment gives the variable a value."""
    return bool(os.environ.get(name))


def is_debugging() -> bool:
    """True when REVIEWS_LOG_LEVEL is debug, also where other settings do not fit."""
    return os.environ.get("REVIEWS_LOG_LEVEL", "").lower() == "debug"


def is_unicode(text: str) -> bool:
    """False where bytes that are not UTF-8 came in."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def set_by_environment() -> frozenset[str]:
    """The settings that the environment gives a value."""
    return frozenset(_given(os.environ))


def _given(environment: Mapping[str, str]) -> dict[str, Any]:
    """The settings that are set, by name. Upper and lower case mean the same, empty is unset."""
    known = {f"{PREFIX}{field.name}".upper(): field.name for field in fields(Settings)}
    return {
        known[name.upper()]: value
        for name, value in environment.items()
        if value and name.upper() in known
    }


def _checked(name: str, value: Any) -> Any:
    """The value as the setting has it. BadInputError says what it must be."""
    wrong = None
    if name == "log_level" and isinstance(value, str):
        value = value.lower()
    if name == "log_level" and value not in LOG_LEVELS:
        *others, last = (repr(level) for level in LOG_LEVELS)
        wrong = f"input should be {', '.join(others)} or {last}"
    elif isinstance(value, str) and not is_unicode(value):
        wrong = "input should be a valid string, unable to parse raw data as a unicode string"
    if wrong is not None:
        raise BadInputError(f"{PREFIX}{name.upper()} is {value!r}: {wrong}")
    if name in _NUMBERS:
        return _number(name, value)
    if name == "time_zone":
        return known_zone(value, f"{PREFIX}TIME_ZONE")
    if name in _ADDRESSES:
        found = _ADDRESSES[name](value, f"{PREFIX}{name.upper()}")
        return value if name == "oidc_issuer" else found  # which is compared letter by letter
    if name in _DECIMALS:
        return _decimal(name, value)
    if name == "retry_jitter":
        return environment_aliases.flag(f"{PREFIX}{name.upper()}", str(value))
    return _path(name, value) if name in _PATHS else value


def _number(name: str, value: object) -> int:
    least, most = _NUMBERS[name]
    try:
        number = int(value) if isinstance(value, float) else int(str(value).strip())
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise BadInputError(
            f"{PREFIX}{name.upper()} is {value!r}, "
            f"but must be a whole number from {least} to {most}"
        )
    return number


def _decimal(name: str, value: object) -> float:
    least, most = _DECIMALS[name]
    try:
        number = float(str(value).strip())
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise BadInputError(
            f"{PREFIX}{name.upper()} is {value!r}, but must be a number from {least:g} to {most:g}"
        )
    return number


def _path(name: str, value: str | Path) -> Path:
    """The path, with `~` for the home directory wherever it was not a shell's to read."""
    try:
        return Path(value).expanduser()
    except RuntimeError:
        variable = f"{PREFIX}{name.upper()}"
        raise BadInputError(
            f"{variable} is {str(value)!r}, and there is no such home directory",
            hint="write the whole path, or ./ before a name that begins with ~",
        ) from None


def _runs(pid: object) -> bool:
    """False for a process that is gone: its stack.json was left behind by a crash."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # of another user, so not the one that wrote the file
        return False
    return True


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """{"a.b": 1} as {"a": {"b": 1}}."""
    document: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        table = document
        for part in path:
            table = table.setdefault(part, {})
        table[last] = value
    return document


def _merged(low: dict[str, Any], high: dict[str, Any]) -> dict[str, Any]:
    """Both documents in one; where they differ, `high` wins."""
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        both = isinstance(below, dict) and isinstance(value, dict)
        merged[key] = _merged(below or {}, value) if both else value
    return merged
