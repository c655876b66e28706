"""E-mail against real SMTP servers."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest

from account_reviews.config.ports import LOOPBACK, any_free
from account_reviews.domain.errors import (
    BadInputError,
    ChannelUnavailableError,
    NoticeRefusedError,
)
from account_reviews.notifications.email import EmailNotifier, Sender
from account_reviews.notifications.protocol import Message
from account_reviews.notifications.smtp_server import parse_smtp_url
from account_reviews.presentation.notice_mail import with_page
from tests.support.mail_server import (
    PASSWORD,
    USER,
    Certificates,
    certificates,
    mail_server,
    silent_server,
)

SENDER = Sender("Account Reviews <reviews@example.com>")
MESSAGE = Message(
    key="0123456789abcdef0123456789abcdef",
    kind="request",
    recipient="owner-1",
    name="Ann Smith",
    address="ann@example.com",
    subject="Decide by Thu 1 Oct 2026, 09:00 (Europe/Berlin): 2 proposed changes for Zürich AG",
    text="2 proposed changes for Zürich AG wait.\n  2 new tasks\n",
    at=datetime(2026, 10, 1, 7, tzinfo=UTC),
)
LOGIN = f"{USER}:{quote(PASSWORD, safe='')}@"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def notifier(url: str, **limits: float) -> EmailNotifier:
    return EmailNotifier(parse_smtp_url(url), SENDER, **limits)


async def test_a_mail_says_what_the_notice_says() -> None:
    async with mail_server() as server:
        await notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off").send(MESSAGE)
    (envelope,) = server.taken
    (mail,) = server.mails
    assert (envelope.mail_from, envelope.rcpt_tos) == ("reviews@example.com", ["ann@example.com"])
    assert mail["From"] == "Account Reviews <reviews@example.com>"
    assert mail["To"] == "Ann Smith <ann@example.com>"
    assert mail["Subject"] == MESSAGE.subject
    assert mail["Message-ID"] == f"<{MESSAGE.key}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == MESSAGE.at
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n") == MESSAGE.text


async def test_a_mail_with_a_page_has_both_parts() -> None:
    found = with_page(replace(MESSAGE, data={"url": "https://r.example/requests/a-1"}))
    async with mail_server() as server:
        await notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off").send(found)
    (mail,) = server.mails
    assert mail.get_content_type() == "multipart/alternative"
    text, page = mail.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == MESSAGE.text
    assert page.get_content_type() == "text/html"
    assert page.get_content().replace("\r\n", "\n") == found.html
    assert "https://r.example/requests/a-1" in page.get_content()


@pytest.mark.parametrize(("scheme", "tls"), [("smtp", "starttls"), ("smtps", "implicit")])
async def test_a_protected_server_with_a_login(
    scheme: str, tls: str, trusted: Certificates
) -> None:
    assert tls in ("starttls", "implicit")
    async with mail_server(tls, trusted, login=True) as server:  # type: ignore[arg-type]
        channel = notifier(f"{scheme}://{LOGIN}{LOOPBACK}:{server.port}?ca={trusted.ca}")
        await channel.send(MESSAGE)
        health = await channel.health()
    assert server.protected == [True]
    assert [mail["Message-ID"] for mail in server.mails] == [f"<{MESSAGE.key}@example.com>"]
    assert health.ok, health


@pytest.mark.parametrize(("scheme", "tls"), [("smtp", "starttls"), ("smtps", "implicit")])
async def test_a_certificate_that_nobody_knows_is_not_believed(
    scheme: str, tls: str, trusted: Certificates
) -> None:
    async with mail_server(tls, trusted) as server:  # type: ignore[arg-type]
        with pytest.raises(ChannelUnavailableError, match="certificate") as raised:
            await notifier(f"{scheme}://{LOOPBACK}:{server.port}").send(MESSAGE)
    assert server.seen == []
    assert "ca=FILE" in (raised.value.hint or "")


async def test_without_starttls_nothing_is_sent_in_the_clear() -> None:
    async with mail_server() as server:
        with pytest.raises(ChannelUnavailableError, match="STARTTLS"):
            await notifier(f"smtp://{LOOPBACK}:{server.port}").send(MESSAGE)
    assert server.seen == []


async def test_a_wrong_password_is_said_without_it_and_may_be_put_right(
    trusted: Certificates,
) -> None:
    async with mail_server("starttls", trusted, login=True) as server:
        url = f"smtp://{USER}:wrong-secret@{LOOPBACK}:{server.port}?ca={trusted.ca}"
        with pytest.raises(ChannelUnavailableError, match="does not take our login: 535") as caught:
            await notifier(url).send(MESSAGE)
    assert "wrong-secret" not in caught.value.message
    assert server.seen == []


@pytest.mark.parametrize(
    ("scheme", "greeting"),
    [("smtp", b""), ("smtp", b"220 here I am\r\n"), ("smtps", b"")],
)
async def test_a_server_that_hangs_is_given_up_for_now(scheme: str, greeting: bytes) -> None:
    async with silent_server(greeting) as port:
        channel = notifier(f"{scheme}://{LOOPBACK}:{port}", seconds=0.2)
        with pytest.raises(ChannelUnavailableError) as caught:
            await channel.send(MESSAGE)
    assert caught.value.hint is not None
    assert "smtps:// TLS" in caught.value.hint


async def test_a_server_that_answers_too_slowly_is_given_up_as_a_whole() -> None:
    """Each answer comes within its own limit, and the mail still takes no longer than it may."""

    async def dawdle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220-wait\r\n")
        while not writer.is_closing():
            await asyncio.sleep(0.05)
            writer.write(b"220-wait\r\n")

    server = await asyncio.start_server(dawdle, LOOPBACK, 0)
    port = server.sockets[0].getsockname()[1]
    channel = notifier(f"smtp://{LOOPBACK}:{port}", seconds=3600, most_seconds=0.3)
    with pytest.raises(ChannelUnavailableError, match="did not answer in time"):
        await channel.send(MESSAGE)
    server.close()


async def test_nobody_at_the_port() -> None:
    channel = notifier(f"smtp://{LOOPBACK}:{any_free()}")
    with pytest.raises(ChannelUnavailableError):
        await channel.send(MESSAGE)
    health = await channel.health()
    assert not health.ok
    assert health.hint


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("550 5.1.1 <ann@example.com>: no such user", NoticeRefusedError),
        ("450 4.2.0 greylisted, try again", ChannelUnavailableError),
    ],
)
async def test_a_recipient_who_is_refused(answer: str, error: type[Exception]) -> None:
    async with mail_server() as server:
        server.refuses["ann@example.com"] = answer
        channel = notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off")
        with pytest.raises(error, match=answer[:3]) as caught:
            await channel.send(MESSAGE)
        await channel.send(replace(MESSAGE, key="f" * 32, address="bob@example.com"))
    assert "ann@example.com" not in str(caught.value)
    assert [one.rcpt_tos for one in server.taken] == [["bob@example.com"]]


@pytest.mark.parametrize(
    ("answer", "error"),
    [("554 looks like spam", NoticeRefusedError), ("451 try later", ChannelUnavailableError)],
)
async def test_a_text_that_is_refused(answer: str, error: type[Exception]) -> None:
    async with mail_server() as server:
        server.data_answers = [answer]
        with pytest.raises(error, match=answer[:3]):
            await notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off").send(MESSAGE)


async def test_after_a_break_the_same_mail_goes_out_again() -> None:
    """Nobody knows whether a server that died after the text has taken it: a mailbox sees by the
    Message-ID that both are one."""
    async with mail_server() as server:
        server.dies_after_data, server.takes_what_it_loses = 1, True
        channel = notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off")
        with pytest.raises(ChannelUnavailableError):
            await channel.send(MESSAGE)
        await channel.send(MESSAGE)
    assert {mail["Message-ID"] for mail in server.mails} == {f"<{MESSAGE.key}@example.com>"}
    assert len(server.mails) == 2


HOSTILE = "Ann\r\nBcc: eve@example.com\r\n\r\nHello\u2028X-Evil: 1\x00\u202e"


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: replace(mail, name=HOSTILE),
        lambda mail: replace(mail, subject=HOSTILE),
        lambda mail: replace(mail, recipient=HOSTILE),
        lambda mail: replace(mail, text=f"first\r\n.\r\n{HOSTILE}\n.\n"),
    ],
    ids=["name", "subject", "recipient", "text"],
)
async def test_no_text_becomes_a_header_or_a_second_mail(
    change: Callable[[Message], Message],
) -> None:
    async with mail_server() as server:
        channel = notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off")
        await channel.send(change(MESSAGE))
    (envelope,) = server.taken
    (mail,) = server.mails
    assert envelope.rcpt_tos == ["ann@example.com"]
    assert set(mail.keys()) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }
    assert len(mail["To"].addresses) == 1


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com\r\nRCPT TO:<eve@example.com>",
        "ann@example.com, eve@example.com",
        "Ann <ann@example.com>",
        "ann@example.com>",
        "ann",
        "",
    ],
)
async def test_an_address_that_is_none_goes_nowhere(address: str) -> None:
    async with mail_server() as server:
        channel = notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off")
        with pytest.raises(NoticeRefusedError):
            await channel.send(replace(MESSAGE, address=address))
    assert server.seen == []


async def test_nobody_knows_the_address() -> None:
    channel = notifier(f"smtp://{LOOPBACK}:{any_free()}")
    with pytest.raises(NoticeRefusedError, match="an e-mail address of 'owner-1'"):
        await channel.send(replace(MESSAGE, address=None))


@pytest.mark.parametrize("address", ["änn@example.com", "ann@bücher.example"])
async def test_letters_of_other_alphabets(address: str) -> None:
    async with mail_server() as server:
        channel = notifier(f"smtp://{LOOPBACK}:{server.port}?starttls=off")
        await channel.send(replace(MESSAGE, address=address, name="Zoë Øst"))
    (envelope,) = server.taken
    assert envelope.rcpt_tos == [address.replace("bücher", "xn--bcher-kva")]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://mail", "it begins with http:"),
        ("mail.example.com:25", "it begins with mail.example.com:"),
        ("smtp://", "it names no host"),
        ("smtp://mail:99999", "it is no URL"),
        ("smtp://mail/inbox", "it has a path"),
        ("smtp://user:s3cret@mail?starttls=off", "without encryption"),
        ("smtp://mail?starttls=maybe", "starttls is 'maybe'"),
        ("smtps://mail?starttls=required", "smtps is TLS from the beginning"),
        ("smtp://mail?tls=on", "an option 'tls'"),
    ],
)
def test_a_url_that_does_not_fit_is_said(url: str, why: str) -> None:
    with pytest.raises(BadInputError, match="REVIEWS_SMTP_URL cannot be used") as caught:
        parse_smtp_url(url)
    assert why in caught.value.message
    assert "s3cret" not in caught.value.message


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere.pem .* cannot be used: No such file"):
        notifier(f"smtps://mail?ca={tmp_path / 'nowhere.pem'}")


@pytest.mark.parametrize("text", ["", "reviews", "a@b.example, c@d.example", "x@y.example\nBcc: z"])
def test_a_sender_is_one_address(text: str) -> None:
    with pytest.raises(BadInputError, match="REVIEWS_SMTP_FROM"):
        Sender(text)
