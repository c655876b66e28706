"""Notices as pages, for mails: what they say as headings and cards, and a button to the request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from account_reviews.notifications.protocol import Message
from account_reviews.presentation.inline_css import inlined
from account_reviews.presentation.templating import render, style, web_link

_COMMAND: Final = "reviews "
_LINKED: Final = ("Decide: ", "Look at it: ")
"""How the line begins that names the address; on a page a button says it."""
_SIGN_IN: Final = "To look at all of it, sign in: "


@dataclass(frozen=True, slots=True)
class Card:
    """What is set apart in a notice: a change with what is said of it, or a command."""

    text: str
    command: bool
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph of a notice: its sentences, then what is set apart below them."""

    lines: tuple[str, ...]
    cards: tuple[Card, ...]


def with_page(message: Message) -> Message:
    """The message with a page of its own; one that has a page keeps it."""
    if message.html is not None:
        return message
    url = message.data.get("decide_url") or message.data.get("url")
    link = web_link(url) if isinstance(url, str) else None
    look = message.data.get("url")
    head, blocks = _parts(message.text, linked=link is not None)
    page = render(
        "notice",
        "html",
        title=message.subject,
        head=head,
        blocks=blocks,
        url=link,
        look=look if link and look != link and isinstance(look, str) and web_link(look) else None,
        asks=message.kind != "expired",
        lang="en",
    )
    return replace(message, html=inlined(page, style()))


def _parts(text: str, *, linked: bool) -> tuple[str, list[Block]]:
    """Its first sentence, and the paragraphs without the lines that buttons stand for."""
    head, _, rest = text.partition("\n")
    hidden = (*_LINKED, _SIGN_IN) if linked else ()
    lines = [line for line in rest.split("\n") if not line.startswith(hidden)]
    parts = groupby(lines, key=lambda line: bool(line.strip()))
    return head, [block for filled, part in parts if filled for block in _blocks(list(part))]


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    """Sentences begin anew after what was set apart."""
    said: list[str] = []
    cards: list[Card] = []
    for line in lines:
        text = line.strip()
        if line.startswith("    ") and cards:
            last = cards[-1]
            cards[-1] = replace(last, said=(*last.said, text))
        elif line.startswith("  "):
            cards.append(Card(text, text.startswith(_COMMAND), ()))
        else:
            if cards:
                yield Block(tuple(said), tuple(cards))
                said, cards = [], []
            said.append(text)
    yield Block(tuple(said), tuple(cards))
