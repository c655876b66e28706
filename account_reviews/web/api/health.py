"""Whether the product does its work, for whoever watches over it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from account_reviews.config.settings import Settings
from account_reviews.services.health import look
from account_reviews.web.api.routes import answer
from account_reviews.web.api.schemas import Health, Problem
from account_reviews.web.site import Here

router = APIRouter()
_FRESH_SECONDS: Final = 5.0
"""Whoever asks more often hears the same again: a look asks every service."""


@dataclass
class Looked:
    """What was found last."""

    at: float = -_FRESH_SECONDS
    document: dict[str, Any] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def now(self, settings: Settings) -> dict[str, Any]:
        """Not older than five seconds."""
        async with self._turn:
            if time.monotonic() - self.at >= _FRESH_SECONDS:
                report = await look(settings)
                self.document = {
                    "level": report.level,
                    "ok": report.level.works,
                    **report.sessions,
                }
                self.at = time.monotonic()
            return self.document


@router.get(
    "/health",
    operation_id="health",
    summary="How much of its work the product does",
    response_model=None,
    responses={
        200: {"model": Health, "description": "Reviews come to their end."},
        421: {"model": Problem, "description": "It is not reached under that name."},
        503: {"model": Health, "description": "They do not."},
    },
)
async def health(request: Request, site: Here) -> Response:
    """The level and five figures of all reviews. Nobody has to sign in."""
    looked: Looked = request.app.state.looked
    document = await looked.now(site.parts.settings)
    return answer(document, 200 if document["ok"] else 503)
