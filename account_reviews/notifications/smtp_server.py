"""The mail server that REVIEWS_SMTP_URL names."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from account_reviews.domain.errors import BadInputError

EXAMPLE: Final = "such as smtp://USER:PASSWORD@mail.example.com:587 (STARTTLS) or smtps://... (TLS)"
_PORTS: Final = {"smtp": 587, "smtps": 465}
_OPTIONS: Final = ("starttls", "ca")


@dataclass(frozen=True, kw_only=True)
class SmtpServer:
    """Where mail is handed over, and how the connection is protected."""

    host: str
    port: int
    tls: Literal["implicit", "starttls", "off"]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    """Certificates to believe instead of those of the system."""

    def context(self) -> ssl.SSLContext | None:
        """What checks the server's certificate. BadInputError for a `ca` that cannot be read."""
        if self.tls == "off":
            return None
        try:
            return ssl.create_default_context(cafile=None if self.ca is None else str(self.ca))
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or "it holds no certificate"
            raise BadInputError(
                f"the certificates {self.ca} that REVIEWS_SMTP_URL names cannot be used: {reason}"
            ) from None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_smtp_url(url: str) -> SmtpServer:
    """The server of `smtp://user:password@host:587` or `smtps://...`.

    `smtp` means STARTTLS, without which nothing is sent, unless `?starttls=off` is added; `smtps`
    is TLS from the beginning. `?ca=FILE` names certificates to believe. BadInputError says what
    does not fit, without the password.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad("it is no URL") from None
    if parts.scheme not in _PORTS:
        raise _bad(f"it begins with {parts.scheme}:" if parts.scheme else "it is no URL")
    if not parts.hostname or parts.path.strip("/"):
        raise _bad("it names no host" if not parts.hostname else "it has a path")
    options = _options(parts)
    tls: Literal["implicit", "starttls", "off"] = "implicit"
    if parts.scheme == "smtp":
        tls = "off" if options.get("starttls") == "off" else "starttls"
    if tls == "off" and parts.password:
        raise _bad("its password would be sent without encryption: leave out starttls=off")
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        tls=tls,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ca=Path(options["ca"]).expanduser() if options.get("ca") else None,
    )


def _options(parts: SplitResult) -> dict[str, str]:
    options = dict(parse_qsl(parts.query))
    for name in options:
        if name not in _OPTIONS:
            raise _bad(f"it has an option {name!r}, and only {' and '.join(_OPTIONS)} are known")
    starttls = options.get("starttls", "required")
    if starttls not in ("required", "off"):
        raise _bad(f"starttls is {starttls!r}, but must be required or off")
    if parts.scheme == "smtps" and "starttls" in options:
        raise _bad("smtps is TLS from the beginning and has no starttls: use smtp for STARTTLS")
    return options


def _bad(why: str) -> BadInputError:
    return BadInputError(f"REVIEWS_SMTP_URL cannot be used: {why}", hint=EXAMPLE)
