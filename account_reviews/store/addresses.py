"""Addresses of our PostgreSQL: every usual spelling becomes one. Without a driver."""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, quote_plus, unquote

from account_reviews.domain.errors import BadInputError

_DRIVER: Final = "postgresql+asyncpg"
_SCHEMES: Final = ("postgres", "postgresql", _DRIVER)
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SSL_FLAGS: Final = {"true": "require", "false": "disable"}
_LAST_PORT: Final = 65_535
_DEFAULT_PORT: Final = 5432
_HINT: Final = "write it as postgresql://USER:PASSWORD@HOST:5432/DATABASE"
_URL: Final = re.compile(
    r"""(?P<scheme>[\w+]+)://
        (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
        (?:\[(?P<host6>[^/?]+)\]|(?P<host>[^/:?]+))?
        (?::(?P<port>[^/?]*))?
        (?:/(?P<database>[^?]*))?
        (?:\?(?P<query>.*))?""",
    re.VERBOSE,
)


class Address(NamedTuple):
    """A database URL in its parts; what the URL does not say is None."""

    scheme: str
    user: str | None
    password: str | None
    host: str | None
    port: int | None
    database: str | None
    query: Mapping[str, str]

    def url(self) -> str:
        """Back as text, with the password."""
        login = "" if self.user is None else quote(self.user, safe=" +")
        if self.user is not None:
            login += "" if self.password is None else f":{quote(self.password, safe=' +')}"
            login += "@"
        host = self.host or ""
        host = f"[{host}]" if ":" in host else host
        port = "" if self.port is None else f":{self.port}"
        path = "" if self.database is None else f"/{quote(self.database, safe=' +/')}"
        pairs = (f"{quote_plus(k)}={quote_plus(v)}" for k, v in sorted(self.query.items()))
        query = f"?{'&'.join(pairs)}" if self.query else ""
        return f"{self.scheme}://{login}{host}{port}{path}{query}"

    def shown(self) -> str:
        """For people: without the password, and with what says where."""
        where = {name: value for name, value in self.query.items() if name in ("host", "port")}
        hidden = None if self.password is None else "***"
        named = self._replace(scheme="postgresql", password=hidden, query=where)
        return unquote(named.url())


def normalised(url: str) -> Address:
    """The one form we keep: `postgresql+asyncpg://`, with `ssl` for `sslmode`.

    Takes `postgres://`, `postgresql://` and `postgresql+asyncpg://`. Other libpq parameters stay
    in the query; asyncpg hands the session ones to the server. BadInputError says what is wrong
    and never shows the password.
    """
    parsed = _parse(url)
    query = dict(parsed.query)
    database = query.pop("dbname", None) or query.pop("database", None) or parsed.database
    if not database:
        raise BadInputError(f"the database URL {parsed.shown()} names no database", hint=_HINT)
    mode = query.pop("sslmode", None) or query.pop("ssl", None)
    query.pop("ssl", None)
    if mode is not None:
        query["ssl"] = _ssl_mode(mode)
    return parsed._replace(scheme=_DRIVER, database=database, query=query)


def normalise_url(url: str) -> str:
    """The one spelling of the URL, see `normalised`. BadInputError."""
    return normalised(url).url()


def same_place(one: str, other: str) -> bool:
    """Whether two URLs lead to one database under one user, however they are written."""
    return _place(normalised(one)) == _place(normalised(other))


def place_of(url: str) -> str:
    """One name for a database, however its URL is written and whoever asks it."""
    host, port, database, _ = _place(normalised(url))
    return f"{host}:{port}/{database}"


def _place(address: Address) -> tuple[str, str, str, str | None]:
    host = address.query.get("host") or address.host or ""
    near = host in ("", "localhost", "127.0.0.1", "::1")
    port = address.query.get("port") or str(address.port or _DEFAULT_PORT)
    return "localhost" if near else host.casefold(), port, address.database or "", address.user


def asyncpg_dsn(url: str) -> str:
    """The same database for asyncpg itself: `postgresql://`, with `sslmode` for `ssl`."""
    found = normalised(url)
    query = {"sslmode" if name == "ssl" else name: value for name, value in found.query.items()}
    return found._replace(scheme="postgresql", query=query).url()


def _parse(url: str) -> Address:
    found = _URL.match(url.strip())
    port = None if found is None else found["port"]
    if found is None or (port is not None and not _is_port(port)):
        raise BadInputError("the database URL cannot be read", hint=_HINT)
    if found["scheme"] not in _SCHEMES:
        raise BadInputError(
            f"the database URL starts with {found['scheme']}://, which is not PostgreSQL",
            hint=_HINT,
        )
    query: dict[str, str] = {}
    for name, value in parse_qsl(found["query"] or ""):
        if name in query:
            raise BadInputError(f"the database URL gives {name} more than once")
        query[name] = value
    return Address(
        scheme=found["scheme"],
        user=_unquoted(found["user"]),
        password=_unquoted(found["password"]),
        host=found["host"] or found["host6"],
        port=None if port is None else int(port),
        database=_unquoted(found["database"]),
        query=query,
    )


def _is_port(text: str) -> bool:
    """False for an empty text too: a port that was forgotten is not one that was left out."""
    return text.isdecimal() and int(text) <= _LAST_PORT


def _unquoted(part: str | None) -> str | None:
    return None if part is None else unquote(part)


def _ssl_mode(mode: str) -> str:
    chosen = _SSL_FLAGS.get(mode, mode)
    if chosen not in _SSL_MODES:
        raise BadInputError(
            f"the database URL has sslmode={mode}", hint=f"use one of {', '.join(_SSL_MODES)}"
        )
    return chosen
