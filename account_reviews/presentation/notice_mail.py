"""Notices as pages, for mails: the lines of their text, and a button that leads to the request."""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from account_reviews.notifications.protocol import Message
from account_reviews.presentation.inline_css import inlined
from account_reviews.presentation.templating import render, style, web_link

_COMMAND: Final = "reviews "
_LINKED: Final = ("In the browser: ", "Decide there without signing in")
"""How the lines begin that name the address; on a page a button says it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a notice. `deep`: it belongs to the line above."""

    text: str
    deep: bool
    command: bool


def with_page(message: Message) -> Message:
    """The message with a page of its own; one that has a page keeps it."""
    if message.html is not None:
        return message
    url = message.data.get("decide_url") or message.data.get("url")
    link = web_link(url) if isinstance(url, str) else None
    page = render(
        "notice",
        "html",
        title=message.subject,
        blocks=_blocks(message.text, linked=link is not None),
        url=link,
        asks=message.kind != "expired",
        lang="en",
    )
    return replace(message, html=inlined(page, style()))


def _blocks(text: str, *, linked: bool) -> list[list[Line]]:
    """Its paragraphs, without the line that the button stands for."""
    lines = [line for line in text.split("\n") if not (linked and line.startswith(_LINKED))]
    parts = groupby(lines, key=lambda line: bool(line.strip()))
    return [[_line(one) for one in part] for filled, part in parts if filled]


def _line(text: str) -> Line:
    said = text.strip()
    return Line(said, text.startswith("    "), said.startswith(_COMMAND))
