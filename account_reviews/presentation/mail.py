"""Documents as mails: a part of plain text, and one of HTML that needs nothing from elsewhere."""

from email.message import EmailMessage
from email.policy import SMTP
from typing import Final, NamedTuple

from account_reviews.domain.characters import written_on_one_line
from account_reviews.presentation.inline_css import inlined
from account_reviews.presentation.templating import render, style

SUBJECT_CHARACTERS: Final = 200

_WHOLE_LINES: Final = SMTP.clone(max_line_length=900)
"""A subject that is folded begins on the next line, which some readers show as a blank."""


class Mail(NamedTuple):
    """What a mail says, without who sends it to whom. `subject` is one line."""

    subject: str
    text: str
    html: str


def mail_of(name: str, subject: str, **values: object) -> Mail:
    """The mail of a document: `name` and `values` as `render` takes them."""
    page = render(name, "html", **values)
    return Mail(
        subject=written_on_one_line(subject)[:SUBJECT_CHARACTERS],
        text=render(name, "text", **values),
        html=inlined(page, style()),
    )


def written(mail: Mail) -> str:
    """The mail as a file (RFC 5322) that mail programs open; nobody is named in it."""
    message = EmailMessage(policy=_WHOLE_LINES)
    message["Subject"] = mail.subject
    message["X-Unsent"] = "1"
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    return message.as_string().replace("\r\n", "\n")
