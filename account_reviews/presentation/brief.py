"""The brief of one review as Markdown, HTML or JSON. What comes from a CRM is always escaped."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from account_reviews.domain.analysis.model import Analysis, Evidence
from account_reviews.domain.base import Scalar
from account_reviews.domain.canonical import plain
from account_reviews.domain.characters import escaped_in_markdown, isolated, shown_on_one_line
from account_reviews.domain.errors import NotFoundError
from account_reviews.domain.policy.model import Policy
from account_reviews.domain.reports.brief import Brief, build_brief
from account_reviews.domain.review.state import ReviewState

Format = Literal["md", "html", "json"]

TEMPLATES = Path(__file__).resolve().parent / "templates"


def brief_of(state: ReviewState, analysis: Analysis | None, policy: Policy) -> Brief:
    """NotFoundError when the review has not come as far as its analysis."""
    if analysis is None:
        raise NotFoundError(
            f"the review {state.review_id} has no analysis: it is {state.phase}",
            hint="wait for it with `reviews watch`",
        )
    return build_brief(
        analysis,
        policy,
        states={change.change_id: item_state for change, item_state in state.changes},
        changes=[change for change, _ in state.changes],
        review_id=state.review_id,
    )


def render_brief(brief: Brief, format: Format) -> str:  # noqa: A002  the word users know
    """The document as text. HTML is one self-contained page without scripts."""
    match format:
        case "json":
            return json.dumps(plain(brief), indent=2, ensure_ascii=False) + "\n"
        case "html":
            return html_templates().get_template("brief.html.j2").render(brief=brief)
        case "md":
            return markdown_templates().get_template("brief.md.j2").render(brief=brief)


class _Ready(str):
    """Markdown of our own making."""

    __slots__ = ()


def shown(value: Scalar) -> str:
    """A field value for people."""
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def evidence_text(evidence: Evidence) -> str:
    """What a cited field says: its value, or how it changed."""
    if evidence.before is None:
        return shown(evidence.value)
    return f"{shown(evidence.before)} → {shown(evidence.after)}"


def words(name: str) -> str:
    """A machine name for people: at_risk -> at risk."""
    return name.replace("_", " ")


def moment(value: datetime | str | None) -> str:
    """A time, also one in RFC 3339, to the minute in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value).astimezone(UTC)
    return "an unknown time" if value is None else value.strftime("%Y-%m-%d %H:%M UTC")


def amount(value: str | Decimal | None) -> str:
    """Money for people, in whole units; the CRM does not name a currency."""
    return "unknown" if value is None else f"{Decimal(value):,.0f}"


def percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0%}"


def age(seconds: int) -> str:
    """A length of time in its largest fitting unit."""
    length = timedelta(seconds=seconds)
    for unit, one in (("day", timedelta(days=1)), ("hour", timedelta(hours=1))):
        if length >= one:
            count = length // one
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds // 60} minutes"


def web_link(url: str | None) -> str | None:
    """The address when it is one of the web, else None: no other scheme may become a link."""
    if url is None or not re.fullmatch(r"https?://[^\s<>\"'\\]+", url):
        return None
    return url


def _markdown_link(text: object, url: str | None) -> _Ready:
    target = web_link(url)
    escaped = escaped_in_markdown(str(text))
    if target is None:
        return _Ready(escaped)
    address = target.replace("(", "%28").replace(")", "%29").replace("|", "%7C")
    return _Ready(f"[{escaped}]({address})")


def _finalize_html(value: object) -> object:
    """Escaped by the template engine, and without what would act on the text around it."""
    return isolated(shown_on_one_line(value)) if type(value) is str else value


def _finalize(value: object) -> object:
    return value if isinstance(value, _Ready) else escaped_in_markdown(str(value))


@cache
def markdown_templates() -> Environment:
    """Templates whose values are shown as they are, whatever they hold."""
    environment = Environment(  # noqa: S701 - every value passes through _finalize
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["link"] = _markdown_link
    return _with_words(environment)


@cache
def html_templates() -> Environment:
    """Templates whose values are escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_finalize_html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["web_link"] = web_link
    return _with_words(environment)


def _with_words(environment: Environment) -> Environment:
    environment.filters.update(
        {
            "shown": shown,
            "evidence_text": evidence_text,
            "words": words,
            "moment": moment,
            "age": age,
            "amount": amount,
            "percent": percent,
        }
    )
    return environment
