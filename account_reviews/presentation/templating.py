"""How documents become text: templates for HTML, Markdown and plain text.

What comes from a CRM is escaped for the form it stands in. One template serves Markdown and plain
text; they differ in what `h1`, `strong` and `link` make of it.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from account_reviews.domain.characters import escaped_in_markdown, isolated, shown_on_one_line
from account_reviews.presentation.terms import LEGEND
from account_reviews.presentation.words import Words

Form = Literal["md", "html", "text"]

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
_OPTIONS: Final[Mapping[str, Any]] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
}


def render(name: str, form: Form, **values: object) -> str:
    """A document. `name` without its ending: `brief` is brief.html.j2, or brief.md.j2."""
    ending = "html" if form == "html" else "md"
    words = values.get("words")
    if isinstance(words, Words):
        values = {"lang": _language(words), **values}
    made = _environment(form).get_template(f"{name}.{ending}.j2").render(**values)
    return made if form == "html" else _without_gaps(made)


def _language(words: Words) -> str:
    """Of the sentences of a page, which are English whatever the locale of its dates."""
    tag = str(words.locale).replace("_", "-")
    return tag if words.locale.language == "en" else "en"


@cache
def style() -> str:
    """The one style sheet of all pages."""
    return html_templates().get_template("page.css.j2").render()


def form_of(word: str) -> Form:
    """`markdown` is `md`."""
    return "html" if word == "html" else "text" if word == "text" else "md"


def web_link(url: str | None) -> str | None:
    """The address when it is one of the web, else None: no other scheme may become a link."""
    if url is None or not re.fullmatch(r"https?://[^\s<>\"'\\]+", url):
        return None
    return url


@cache
def html_templates() -> Environment:
    """Templates whose values are escaped for HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, finalize=_for_html, **_OPTIONS
    )
    environment.globals.update(web_link=web_link, LEGEND=LEGEND)
    environment.filters["breakable"] = breakable
    return environment


@cache
def _environment(form: Form) -> Environment:
    if form == "html":
        return html_templates()
    plain = form == "text"
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # what macros make is Markup, and passes through finalize as it is
        finalize=_for_text if plain else _for_markdown,
        **_OPTIONS,
    )
    environment.globals.update(_SIGNS[form])
    environment.globals["web_link"] = web_link
    return environment


def breakable(text: str) -> Markup:
    """A name for a column, which breaks between words: only a word that is longer than any column
    may break inside."""
    parts = re.split(r"(\S{24})(?=\S{6})", str(_for_html(text)))
    return Markup("").join(
        escape(part) + (Markup("<wbr>") if place % 2 else "") for place, part in enumerate(parts)
    )


def _for_html(value: object) -> object:
    """Escaped by the template engine, and without what would act on the text around it."""
    return isolated(shown_on_one_line(value)) if type(value) is str else value


def _ready(text: str) -> Markup:
    """What is fit for its form: nothing of it is HTML, whatever the name of the class."""
    return Markup(text)  # noqa: S704


def _for_markdown(value: object) -> Markup:
    return value if isinstance(value, Markup) else _ready(escaped_in_markdown(str(value)))


def _for_text(value: object) -> Markup:
    if isinstance(value, Markup):
        return value
    return _ready(" ".join(shown_on_one_line(str(value)).split()))


def _markdown_link(text: object, url: str | None) -> Markup:
    target = web_link(url)
    escaped = escaped_in_markdown(str(text))
    if target is None:
        return _ready(escaped)
    address = target.replace("(", "%28").replace(")", "%29").replace("|", "%7C")
    return _ready("[" + escaped + "](" + address + ")")


def _text_link(text: object, url: str | None) -> Markup:
    shown, target = str(_for_text(text)), web_link(url)
    return _ready(shown if target is None else f"{shown} <{target}>")


def _underlined(sign: str) -> Callable[[object], Markup]:
    def head(text: object) -> Markup:
        shown = str(_for_text(text))
        return _ready(shown + "\n" + sign * max(3, min(len(shown), 72)))

    return head


def _marked(sign: str, after: str = "") -> Callable[[object], Markup]:
    return lambda text: _ready(sign + escaped_in_markdown(str(text)) + after)


def _command_in_markdown(text: object) -> Markup:
    shown = " ".join(shown_on_one_line(str(text)).split()).replace("`", "'")
    return _ready(f"`{shown}`")


def _as_it_is(text: object) -> Markup:
    return _ready(str(_for_text(text)))


_SIGNS: Final[Mapping[str, Mapping[str, Callable[..., Markup]]]] = {
    "md": {
        "h1": _marked("# "),
        "h2": _marked("## "),
        "h3": _marked("### "),
        "strong": _marked("**", "**"),
        "command": _command_in_markdown,
        "link": _markdown_link,
    },
    "text": {
        "h1": _underlined("="),
        "h2": _underlined("-"),
        "h3": _as_it_is,
        "strong": _as_it_is,
        "command": _as_it_is,
        "link": _text_link,
    },
}


def _without_gaps(text: str) -> str:
    """At most one empty line in a row, none at the begin, one line end at the end."""
    return (
        re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)).strip() + "\n"
    )
