"""What pages and the API are made with: the parts of the process, Temporal, words, templates."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

from fastapi import Depends, Request
from jinja2 import ChoiceLoader, Environment, FileSystemLoader
from starlette.responses import HTMLResponse, Response

from account_reviews.bootstrap import Parts
from account_reviews.domain.access.roles import Subject, Verb
from account_reviews.domain.errors import ReviewsError, UnreachableError
from account_reviews.domain.policy.model import Policy
from account_reviews.presentation.readers import reader_words
from account_reviews.presentation.schedule_table import rhythm
from account_reviews.presentation.templating import TEMPLATES, html_templates
from account_reviews.presentation.told import told
from account_reviews.presentation.words import Words
from account_reviews.services.access import require_of
from account_reviews.services.readers import words_of
from account_reviews.services.telling import explain
from account_reviews.web import page_words
from account_reviews.web.errors import title_of, told_of
from account_reviews.web.identity import Principal, recognised
from account_reviews.web.languages import chosen_locale, chosen_zone
from account_reviews.web.live import Live
from account_reviews.web.static_files import address_of

if TYPE_CHECKING:
    from temporalio.client import Client

    from account_reviews.services.access import About

_WORDS_SECONDS: Final = 60.0
_AWAY_SECONDS: Final = 3.0
_PAGES: Final = Path(__file__).parent / "templates"


@dataclass
class Site:
    """One per process, at `app.state.site`."""

    parts: Parts
    secure: bool = False
    """Whether people come by https."""
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What is closed when the site ends: enter what lives as long as it."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is told to end: streams end themselves then."""
    _client: "Client | None" = None
    _away: tuple[float, UnreachableError] | None = None
    """When Temporal could not be reached last, and why."""
    _words: tuple[float, Words] | None = None
    _connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        await self.stack.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.closing.set()
        await self.stack.aclose()

    async def temporal(self) -> "Client":
        """The connection to Temporal, made when it is first asked for. UnreachableError, which
        stands for a while: each try waits long, and pages come one after another."""
        async with self._connecting:
            if self._client is not None:
                return self._client
            if self._away is not None and time.monotonic() - self._away[0] < _AWAY_SECONDS:
                away = self._away[1]
                raise UnreachableError(away.message, hint=away.hint, plainly=away.plainly)
            try:
                self._client = await self.parts.connect()
            except UnreachableError as error:
                self._away = time.monotonic(), error
                raise
            return self._client

    async def temporal_if_there(self) -> "Client | None":
        """The same, None when there is none: pages show what the tables hold."""
        try:
            return await self.temporal()
        except UnreachableError:
            return None

    @cached_property
    def live(self) -> Live:
        """Tells what changes, at once."""
        found = Live(self.parts, self.closing)
        self.stack.push_async_callback(found.close)
        return found

    async def words(self, request: Request, who: Principal | None) -> Words:
        """How this reader is written to: by his sign-in, else his browser, else the settings."""
        locale = chosen_locale(who.locale if who else None, request.headers.get("accept-language"))
        zone = chosen_zone(who.zone if who else None, request.cookies.get("reviews_zone"))
        usual = await self._usual_words()
        return replace(
            usual,
            now=datetime.now(UTC),
            zone=zone or usual.zone,
            locale=locale or usual.locale,
        )

    async def _usual_words(self) -> Words:
        """Those of the settings, with the names that are known; read anew each minute."""
        now = time.monotonic()
        if self._words is None or now - self._words[0] > _WORDS_SECONDS:
            try:
                self._words = now, await words_of(self.parts)
            except UnreachableError:  # a page says so, and needs words to say it
                return reader_words(self.parts.settings, Policy(), now=datetime.now(UTC))
        return self._words[1]

    async def allow(self, who: Principal, verb: Verb, about: "About | Subject" = None) -> None:
        """NotAllowedError, recorded in the trail, unless he may do `verb` to that review, request
        or account: by his roles, the policy, and the scopes of his token."""
        await require_of(
            self.parts,
            verb,
            who.name,
            about,
            roles=who.roles,
            scopes=who.scopes,
        )

    async def page(
        self,
        request: Request,
        who: Principal | None,
        name: str,
        /,
        status: int = 200,
        **context: Any,
    ) -> Response:
        """A page or fragment from `templates/`.

        Every template has `who`, `words`, `csrf`, `here` (the path), `asset(path)` for files of
        `/static/`, and `is_fragment` where htmx asks for a piece.
        """
        words = await self.words(request, who)
        text = (
            page_templates()
            .get_template(name)
            .render(
                who=who,
                words=words,
                csrf=who.csrf if who else None,
                here=request.url.path,
                is_fragment="hx-request" in request.headers,
                **context,
            )
        )
        return HTMLResponse(text, status)

    def address(self, request: Request) -> str:
        """Where people reach this app, for links in what documents have in common with pages."""
        return self.parts.settings.web_url or str(request.base_url)

    async def error_page(self, request: Request, error: ReviewsError, status: int) -> Response:
        """A page that says what went wrong and what to do."""
        try:
            who = await recognised(request)
        except ReviewsError:
            who = None
        if who is not None:
            await explain(self.parts, error, await self.words(request, who))
        return await self.page(
            request,
            who,
            "error.html.j2",
            status,
            title=title_of(status),
            said=_sentence(told_of(error)),
            hint=page_words.advice(error.hint, status),
            way=page_words.way_on(request.url.path),
        )


def _sentence(text: str) -> str:
    """As a sentence that stands alone; errors are written to stand after a colon."""
    shown = text.strip()
    ended = shown.endswith((".", "!", "?", ":")) or not shown
    return shown[:1].upper() + shown[1:] + ("" if ended else ".")


async def site_of(request: Request) -> Site:
    """The site of this process."""
    found: Site = request.app.state.site
    return found


Here = Annotated[Site, Depends(site_of)]


@cache
def page_templates() -> Environment:
    """The templates of pages, which may use those of documents."""
    loader = ChoiceLoader([FileSystemLoader(_PAGES), FileSystemLoader(TEMPLATES)])
    environment = html_templates().overlay(loader=loader)
    environment.globals = {
        **environment.globals,
        "asset": address_of,
        "decided": page_words.decided,
        "standing": page_words.standing,
        "ended": page_words.ended,
        "needed": page_words.needed,
        "approvers": page_words.approvers,
    }
    environment.filters = {
        **environment.filters,
        "capitalized": page_words.capitalized,
        "sentence": page_words.sentence,
        "spoken": told,
        "advice": page_words.advice,
        "told": told_of,
        "lower_first": page_words.lower_first,
        "person": page_words.person_of,
        "without": page_words.without,
        "rhythm": rhythm,
    }
    return environment
