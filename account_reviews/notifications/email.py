"""Notices as e-mail, over SMTP: a part of text, and one of HTML where there is a page."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from typing import Final

import aiosmtplib
from aiosmtplib import errors

from account_reviews.domain.audit.masks import mask_personal_data, mask_secrets
from account_reviews.domain.backends import Health
from account_reviews.domain.characters import shown_line_by_line, written_on_one_line
from account_reviews.domain.errors import (
    BadInputError,
    ChannelUnavailableError,
    NoticeRefusedError,
    ReviewsError,
)
from account_reviews.domain.policy.notifications import ADDRESS
from account_reviews.notifications.protocol import Message
from account_reviews.notifications.smtp_server import SmtpServer

COMMAND_SECONDS: Final = 10.0
"""Until the server answers one command, or the connection stands."""
MAIL_SECONDS: Final = 30.0
"""For all of one mail, however slowly the server answers."""
HEALTH_SECONDS: Final = 2.5
SUBJECT_CHARACTERS: Final = 200
_MAILBOX: Final = re.compile(
    r"(?P<alone>[^\s<>]+)|(?P<quote>\"?)(?P<name>[^\"<>\r\n]{0,200})(?P=quote)\s*<(?P<address>[^<>\s]+)>"
)
_TRUST_HINT: Final = "name the certificates to believe: REVIEWS_SMTP_URL=...?ca=FILE"
_PORTS_HINT: Final = "smtp:// speaks STARTTLS (mostly port 587), smtps:// TLS (mostly port 465)"


class Sender:
    """Who mails come from: `Account Reviews <reviews@example.com>`, or the address alone."""

    def __init__(self, text: str) -> None:
        """BadInputError when there is not exactly one address in it."""
        found = _MAILBOX.fullmatch(text.strip())
        address = found["alone"] or found["address"] if found else ""
        if found is None or not ADDRESS.fullmatch(address):
            raise BadInputError(
                f"REVIEWS_SMTP_FROM is {text!r}, but must be one e-mail address",
                hint="such as reviews@example.com, or Account Reviews <reviews@example.com>",
            )
        self.header = address_header((found["name"] or "").strip(), address)
        self.address = self.header.addr_spec
        self.domain = self.header.domain


class EmailNotifier:
    """One connection per mail. `seconds` bounds each command, `most_seconds` all of a mail."""

    channel = "email"

    def __init__(
        self,
        server: SmtpServer,
        sender: Sender,
        *,
        seconds: float = COMMAND_SECONDS,
        most_seconds: float = MAIL_SECONDS,
    ) -> None:
        """BadInputError for certificates that cannot be read."""
        self._server = server
        self._sender = sender
        self._seconds = seconds
        self._most_seconds = most_seconds
        self._context = server.context()

    async def send(self, message: Message) -> None:
        """Hand it over to the server. ChannelUnavailableError, NoticeRefusedError.

        When the connection breaks after the text was sent nobody knows whether it was taken: the
        next try sends it again, under the same Message-ID.
        """
        mail = self.mail(message)
        to = str(mail["To"].addresses[0].addr_spec)
        async with self._connection(self._seconds) as smtp:
            async with asyncio.timeout(self._most_seconds):
                await smtp.connect()
                await smtp.send_message(mail, sender=self._sender.address, recipients=[to])

    def mail(self, message: Message) -> EmailMessage:
        """The mail of a message. NoticeRefusedError without an address to send it to."""
        address = message.address
        if address is None:
            raise NoticeRefusedError(
                f"nobody knows an e-mail address of {written_on_one_line(message.recipient)!r}",
                hint="name it in [notifications.addresses] of the policy, or in the CRM",
            )
        if not ADDRESS.fullmatch(address):
            raise NoticeRefusedError(
                f"the e-mail address of {written_on_one_line(message.recipient)!r} is none"
            )
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["From"] = self._sender.header
        mail["To"] = address_header(message.name or "", address)
        mail["Subject"] = _short(written_on_one_line(message.subject))
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.key}@{self._sender.domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(shown_line_by_line(message.text), cte="quoted-printable")
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html", cte="quoted-printable")
        return mail

    async def health(self) -> Health:
        """Whether the server answers and takes our login."""
        try:
            async with self._connection(HEALTH_SECONDS) as smtp, asyncio.timeout(HEALTH_SECONDS):
                await smtp.connect()
        except ReviewsError as error:
            return Health(ok=False, detail=error.message, hint=error.hint or "see REVIEWS_SMTP_URL")
        how = {"implicit": "TLS", "starttls": "STARTTLS", "off": "no encryption"}
        return Health(ok=True, detail=f"{self._server} takes mail, with {how[self._server.tls]}")

    @asynccontextmanager
    async def _connection(self, seconds: float) -> AsyncIterator[aiosmtplib.SMTP]:
        """One that is still to be made, closed at the end. Its errors are ours."""
        server = self._server
        smtp = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            local_hostname=self._sender.domain,  # else it is looked up, which may take its time
            timeout=seconds,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            tls_context=self._context,
        )
        try:
            yield smtp
            with suppress(errors.SMTPException, OSError, TimeoutError):
                await smtp.quit(timeout=1)  # what was sent was sent, whatever it answers
        except (errors.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _as_ours(error, server) from None
        finally:
            smtp.close()


def address_header(name: str, address: str) -> Address:
    """One mailbox of a header. The name is one line, however it came."""
    local, _, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        raise NoticeRefusedError("the domain of the e-mail address is none") from None
    return Address(written_on_one_line(name), local, ascii_domain)


def _short(subject: str) -> str:
    if len(subject) <= SUBJECT_CHARACTERS:
        return subject
    return f"{subject[: SUBJECT_CHARACTERS - 1]}…"


def _as_ours(error: BaseException, server: SmtpServer) -> ReviewsError:
    match error:
        case errors.SMTPRecipientsRefused(recipients=[refused, *_]):
            return _answered("does not take the recipient", refused, final=refused.code >= 500)
        case errors.SMTPRecipientRefused() | errors.SMTPDataError():
            return _answered("does not take the mail", error, final=error.code >= 500)
        case errors.SMTPAuthenticationError():
            return _answered("does not take our login", error, final=False)
        case errors.SMTPResponseException():  # about the sender, the greeting: the next may do
            return _answered("refuses us", error, final=False)
        case errors.SMTPNotSupported():
            return NoticeRefusedError(f"the mail server {server} cannot take it: {_plain(error)}")
        case ValueError() if not isinstance(error, OSError):  # an address that no server would take
            return NoticeRefusedError(f"the mail cannot be sent: {_plain(error)}")
        case TimeoutError():
            return ChannelUnavailableError(
                f"the mail server {server} did not answer in time", hint=_PORTS_HINT
            )
    distrusted = isinstance(error, ssl.SSLCertVerificationError) or isinstance(
        error.__cause__ or error.__context__, ssl.SSLCertVerificationError
    )
    return ChannelUnavailableError(
        f"the mail server {server} cannot be used: {_plain(error)}",
        hint=_TRUST_HINT if distrusted else _PORTS_HINT,
    )


def _answered(what: str, error: errors.SMTPResponseException, *, final: bool) -> ReviewsError:
    kind = NoticeRefusedError if final else ChannelUnavailableError
    return kind(f"the mail server {what}: {error.code} {_plain(error)}")


def _plain(error: BaseException) -> str:
    """What the other side said, on one line, without addresses and secrets."""
    said = str(getattr(error, "message", "") or getattr(error, "strerror", "") or error)
    return mask_personal_data(mask_secrets(written_on_one_line(said)))[:300]
