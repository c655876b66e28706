"""The three ways in for what a CRM says has changed. Each answers when it is committed."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from account_reviews.domain.audit.entries import refused_webhooks_entry
from account_reviews.domain.audit.events import AuditEvent
from account_reviews.domain.crm_events import Delivery, EventSource, QueueFullError
from account_reviews.domain.errors import BadInputError, UnreachableError
from account_reviews.store.event_intake import EventIntake
from account_reviews.telemetry import instruments
from account_reviews.web.middleware import (
    GoneError,
    TooLargeError,
    TooSlowError,
    read_body,
    refusal,
)
from account_reviews.web.notices import parse, read_hubspot, read_standard, read_zoho
from account_reviews.web.proofs import (
    NotProvenError,
    Secrets,
    prove_hubspot,
    prove_standard,
    prove_zoho,
)
from account_reviews.web.sparing import Sparing

AT_ONCE: Final = 4
"""Requests of this process that the database works on at a time."""
STORE_SECONDS: Final = 10.0
"""How long the database may take for one."""
RETRY_SECONDS: Final = 30
"""When a CRM that was turned away is asked to come again."""
_REPORT_EVERY: Final = 10.0

_log = logging.getLogger(__name__)
_outages = logging.getLogger(f"{__name__}.outages")
_outages.addFilter(Sparing())


@dataclass
class Refusals:
    """Counts what was refused, and tells log and trail at once and then every 10 seconds: whoever
    sends a million forged requests fills neither."""

    tenant: str
    record: Callable[[AuditEvent], None]
    _counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    _told_at: dict[tuple[str, str], float] = field(default_factory=dict)

    def note(self, path: str, why: str) -> None:
        """One more. `why` is one of few sentences."""
        self._counted[path, why] += 1
        told = self._told_at.get((path, why))
        if told is None or time.monotonic() - told > _REPORT_EVERY:
            self._tell(path, why)

    def close(self) -> None:
        """Tell what was not told yet."""
        for path, why in list(self._counted):
            self._tell(path, why)

    def _tell(self, path: str, why: str) -> None:
        count = self._counted.pop((path, why))
        self._told_at[path, why] = time.monotonic()
        _log.warning("%s: %d refused with 401, since %s", path, count, why)
        self.record(
            refused_webhooks_entry(
                tenant=self.tenant,
                path=path,
                count=count,
                why=why,
                number=uuid4().hex[:12],
                at=datetime.now(UTC),
            )
        )


class CrmWebhooks:
    """The paths of one process. `now`: the clock that signed times are held against."""

    def __init__(
        self,
        intake: EventIntake,
        secrets: Secrets,
        refusals: Refusals,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._intake = intake
        self._secrets = secrets
        self._refusals = refusals
        self._now = now
        self._turn = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """What the app answers."""
        ways = {
            "/webhooks/zoho": (EventSource.ZOHO, self._zoho),
            "/webhooks/hubspot": (EventSource.HUBSPOT, self._hubspot),
            "/webhooks/crm": (EventSource.CRM, self._standard),
        }
        return [
            Route(path, self._endpoint(source, read), methods=["POST"])
            for path, (source, read) in ways.items()
        ]

    def _endpoint(self, source: EventSource, read: "_Read") -> Any:
        async def answer(request: Request) -> Response:
            outcome, response = await self._answer(request, read)
            instruments.webhook_answered(source.value, outcome)
            return response

        return answer

    async def _answer(self, request: Request, read: "_Read") -> tuple[str, Response]:
        """What is counted, and the answer."""
        try:
            body = await read_body(request)
            taken = await self._take(read(request, body))
        except NotProvenError as error:
            self._refusals.note(request.url.path, error.why)
            return "refused", refusal(401, error)
        except (TooLargeError, TooSlowError) as error:
            status = 413 if isinstance(error, TooLargeError) else 408
            return error.code, refusal(status, error)
        except (BadInputError, GoneError) as error:
            return "malformed", refusal(400, error)
        except QueueFullError as error:
            return "full", refusal(429, error, retry_after=RETRY_SECONDS)
        except UnreachableError as error:
            _outages.warning("%s: the database takes nothing: %s", request.url.path, error.message)
            return "unavailable", _not_now()
        except asyncio.CancelledError:  # this process ends; it may be stored, and comes as a repeat
            return "unavailable", _not_now()
        outcome = "duplicate" if taken.duplicates and not taken.events else "accepted"
        document = {"accepted": taken.events, "duplicates": taken.duplicates}
        return outcome, JSONResponse(document, 202)

    async def _take(self, deliveries: list[Delivery]) -> Any:
        try:
            async with asyncio.timeout(STORE_SECONDS), self._turn:
                return await self._intake.take(deliveries)
        except TimeoutError:
            raise UnreachableError("no answer in time") from None

    def _zoho(self, request: Request, body: bytes) -> list[Delivery]:
        headers = _headers(request)
        try:
            document = parse(body)
        except BadInputError:
            prove_zoho(self._secrets, headers, body, None)
            raise
        prove_zoho(self._secrets, headers, body, document)
        return read_zoho(document, headers, body)

    def _hubspot(self, request: Request, body: bytes) -> list[Delivery]:
        query = request.scope.get("query_string", b"").decode("latin-1")
        raw = request.scope.get("raw_path") or request.url.path.encode()
        path = raw.decode("latin-1").partition("?")[0]
        prove_hubspot(
            self._secrets,
            _headers(request),
            body,
            method=request.method,
            target=f"{path}?{query}" if query else path,
            now=self._now(),
        )
        return read_hubspot(parse(body))

    def _standard(self, request: Request, body: bytes) -> list[Delivery]:
        headers = _headers(request)
        prove_standard(self._secrets, headers, body)
        return read_standard(parse(body), headers)


def _not_now() -> Response:
    told = UnreachableError("nothing can be stored at the moment")
    return refusal(503, told, retry_after=RETRY_SECONDS)


_Read = Callable[[Request, bytes], list[Delivery]]


def _headers(request: Request) -> Mapping[str, str]:
    """Names in lower case."""
    return dict(request.headers)
