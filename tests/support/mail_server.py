"""Real SMTP servers on loopback: with STARTTLS, with TLS, and with the faults that servers have."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from account_reviews.config.ports import LOOPBACK

USER, PASSWORD = "reviews", "p@ss:w/rd"


@dataclass
class Certificates:
    """Of a server on loopback, and the authority that a client must believe."""

    server: ssl.SSLContext
    ca: Path


def certificates(folder: Path) -> Certificates:
    """Made for the test; no system believes them."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK, "localhost").configure_cert(server)
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return Certificates(server, path)


@dataclass
class MailServer:
    """What it was sent, and how it misbehaves."""

    port: int = 0
    taken: list[Envelope] = field(default_factory=list)
    seen: list[Envelope] = field(default_factory=list)
    """All that came as far as DATA, whether it was taken or not."""
    protected: list[bool] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    """Recipient -> what it is answered."""
    data_answers: list[str] = field(default_factory=list)
    """Answers to the next mails, one each, instead of taking them."""
    dies_after_data: int = 0
    """How many more times the connection breaks when the text has come."""
    takes_what_it_loses: bool = False
    """Whether such a mail was taken all the same."""

    @property
    def mails(self) -> list[EmailMessage]:
        """What was taken, as a mailbox has it."""
        return [parsed(one) for one in self.taken]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        answer = self.refuses.get(address)
        if answer is not None:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.seen.append(envelope)
        assert server.transport is not None
        self.protected.append(server.transport.get_extra_info("sslcontext") is not None)
        if self.dies_after_data:
            self.dies_after_data -= 1
            if self.takes_what_it_loses:
                self.taken.append(envelope)
            server.transport.abort()  # type: ignore[attr-defined]
            return "250 nobody reads this"
        if self.data_answers:
            return self.data_answers.pop(0)
        self.taken.append(envelope)
        return "250 OK"


def parsed(envelope: Envelope) -> EmailMessage:
    content = envelope.content
    assert isinstance(content, bytes)
    found = message_from_bytes(content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


@asynccontextmanager
async def mail_server(
    tls: Literal["starttls", "implicit", "off"] = "off",
    certificates: Certificates | None = None,
    *,
    login: bool = False,
) -> AsyncIterator[MailServer]:
    """One that runs until the end, on a port of its own. With `login` it takes USER alone."""
    mail = MailServer()
    options: dict[str, Any] = {"hostname": "mail.test", "enable_SMTPUTF8": True}
    if tls == "starttls":
        assert certificates is not None
        options |= {"tls_context": certificates.server, "require_starttls": True}
    if login:
        options |= {
            "authenticator": _authenticate,
            "auth_required": True,
            "auth_require_tls": tls == "starttls",
        }
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings():  # it does not see that all of the connection is TLS
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(mail, loop=loop, **options)

    server = await loop.create_server(
        protocol,
        LOOPBACK,
        0,
        ssl=certificates.server if tls == "implicit" and certificates else None,
    )
    mail.port = server.sockets[0].getsockname()[1]
    try:
        yield mail
    finally:
        server.close()


@asynccontextmanager
async def silent_server(greeting: bytes = b"") -> AsyncIterator[int]:
    """The port of one that takes connections, may greet, and never says anything more."""
    release = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await release.wait()
        writer.close()

    server = await asyncio.start_server(hang, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        release.set()
        server.close()


def _authenticate(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    right = data.login.decode() == USER and data.password.decode() == PASSWORD
    return AuthResult(success=right, handled=False)
