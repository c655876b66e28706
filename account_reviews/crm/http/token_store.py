"""The token of a service in a row of our database, fetched by one worker for all.

An advisory lock guards each look at the row and each change of it. Who fetches says so in the row,
with an end, and holds no connection meanwhile: the others look again until the token is there.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from account_reviews.crm.http.limits import key_of
from account_reviews.crm.http.service_names import service_name
from account_reviews.crm.http.token_cipher import TokenCipher
from account_reviews.crm.http.token_rules import TokenRow, why_not_ask
from account_reviews.crm.http.tokens import Token
from account_reviews.domain.errors import CrmAuthError, CrmError, CrmUnavailableError
from account_reviews.store.database import reachable
from account_reviews.store.sql_files import read_sql

FETCH_SECONDS: Final = 15.0
"""The most one question for a token takes."""
_CLAIM_SECONDS: Final = FETCH_SECONDS + 5
_PATIENCE_SECONDS: Final = _CLAIM_SECONDS + 5
_LOOK_SECONDS: Final = 0.1
_OLD_AGAIN: Final = timedelta(seconds=5)
_LOCK: Final = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_READ: Final = text(read_sql("account_reviews.crm.http", "token_row.sql"))
_CLAIM: Final = text(read_sql("account_reviews.crm.http", "claim_token.sql"))
_SAVE: Final = text(read_sql("account_reviews.crm.http", "save_token.sql"))
_REFUSED: Final = text(read_sql("account_reviews.crm.http", "token_refused.sql"))
_FORGET: Final = text(
    "update reviews.api_tokens set token = null where service = :service and key = :key"
)


@dataclass(frozen=True)
class Fetched:
    """What a service gave for a refresh token. `expires_in`: seconds."""

    value: str = field(repr=False)
    api_url: str
    expires_in: float


Fetch = Callable[[], Awaitable[Fetched]]
"""Asks the service for a token, once. CrmAuthError when it refuses, also by an error in a 200;
CrmUnavailableError, CrmRateLimitedError. It may take FETCH_SECONDS, then it is given up."""


@dataclass(frozen=True)
class _Kept:
    """A token of this process. `until`: of our clock, when it is to be looked up again."""

    token: Token
    until: float


class SharedTokens:
    """A TokenSource of all workers that have the same `secret` (the refresh token)."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        service: str,
        secret: str,
        fetch: Fetch,
        scheme: str = "Bearer",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`scheme` stands before the value in the header."""
        self._engine = engine
        self._service = service
        self._values = {"service": service, "key": key_of(secret)}
        self._cipher = TokenCipher(secret, f"{service} {self._values['key']}")
        self._fetch = fetch
        self._scheme = scheme
        self._clock = clock
        self._worker = f"{os.getpid()}/{uuid4().hex[:6]}"
        self._kept: _Kept | None = None
        self._refused: str | None = None
        self._task: asyncio.Task[Token] | None = None

    async def token(self) -> Token:
        """CrmAuthError, CrmUnavailableError, CrmRateLimitedError; UnreachableError."""
        kept = self._kept
        if kept is not None and self._clock() < kept.until:
            return kept.token
        return await self._obtained()

    async def renewed(self, refused: Token) -> Token:
        """Asked for once, by whoever comes first. The same errors."""
        self._refused = refused.value
        got = refused
        for _ in range(2):  # others may just have looked up the refused one
            if self._kept is not None and self._kept.token.value == refused.value:
                self._kept = None
            got = await self.token()
            if got.value != refused.value:
                break
        return got

    def header(self, token: Token) -> Mapping[str, str]:
        """What a request carries."""
        return {"authorization": f"{self._scheme} {token.value}"}

    async def _obtained(self) -> Token:
        """All of this process wait for the same; one who is cancelled stops it for nobody."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._obtain())
            self._task.add_done_callback(_look_at)
        return await asyncio.shield(self._task)

    async def _obtain(self) -> Token:
        end = self._clock() + _PATIENCE_SECONDS
        while self._clock() < end:
            why: CrmError | None = None
            async with self._locked() as connection:
                row = await self._read(connection)
                found = self._token_of(row, row.usable_for)
                if found is not None:
                    return self._keep(found, row.usable_for)
                if not row.is_being_asked:
                    why = await self._claim(connection, row)
            if why is None and row.is_being_asked:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            return await self._asked_or_old(row, why)
        raise CrmUnavailableError(
            f"another worker asks {service_name(self._service)} for a token and gets no answer",
            sent=False,
        )

    async def _asked_or_old(self, row: TokenRow, why: CrmError | None) -> Token:
        """Another token; while there is none the old one, as long as it lasts."""
        try:
            if why is not None:
                raise why
            return await self._ask(row)
        except CrmError:
            old = self._token_of(row, row.lasts_for)
            if old is None:
                raise
            return self._keep(old, min(row.lasts_for, _OLD_AGAIN))

    def _token_of(self, row: TokenRow, left: timedelta) -> Token | None:
        """What the row gives out while time is `left`; None when it has to be asked for."""
        value = self._cipher.open(row.token)
        if value is None or row.api_url is None or not left or value == self._refused:
            return None
        return Token(value, row.api_url, row.expires_at)

    def _keep(self, token: Token, usable_for: timedelta) -> Token:
        self._kept = _Kept(token, self._clock() + usable_for.total_seconds())
        return token

    async def _claim(self, connection: AsyncConnection, row: TokenRow) -> CrmError | None:
        """Say that we ask, or what stands against it."""
        value = self._cipher.open(row.token)
        refused = row.expires_at is not None and (value is None or value == self._refused)
        if refused and row.token is not None:  # nobody is to try it again
            await connection.execute(_FORGET, self._values)
        why = why_not_ask(self._service, row, refused=refused)
        if why is None:
            await connection.execute(
                _CLAIM,
                {
                    **self._values,
                    "asked_at": [*row.recently_asked(), row.now],
                    "worker": self._worker,
                    "until": row.now + timedelta(seconds=_CLAIM_SECONDS),
                },
            )
        return why

    async def _ask(self, row: TokenRow) -> Token:
        """One question to the service, and what came of it into the row."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                got = await self._fetch()
        except TimeoutError:
            await self._release(None)
            raise CrmUnavailableError(
                f"{service_name(self._service)} gave no token in time", sent=False
            ) from None
        except CrmError as error:
            told = "\n".join(filter(None, (error.message, error.hint)))
            await self._release(told if isinstance(error, CrmAuthError) else None)
            if isinstance(error, CrmUnavailableError):
                error.sent = False
            raise
        except Exception:
            await self._release(None)
            raise
        return await self._save(row, got)

    async def _save(self, row: TokenRow, got: Fetched) -> Token:
        expires = row.now + timedelta(seconds=got.expires_in)
        token = Token(got.value, got.api_url.rstrip("/"), expires)
        async with self._locked() as connection:
            fresh = await self._read(connection)
            given = (*fresh.recently_given(), fresh.now)
            closed = self._cipher.close_up(token.value)
            await connection.execute(
                _SAVE,
                {
                    **self._values,
                    "token": closed,
                    "api_url": token.api_url,
                    "expires_at": expires,
                    "given_at": list(given),
                },
            )
        usable = replace(fresh, token=closed, expires_at=expires, given_at=given).usable_for
        return self._keep(token, usable)

    async def _release(self, refusal: str | None) -> None:
        async with self._locked() as connection:
            values = {**self._values, "worker": self._worker, "refusal": refusal}
            await connection.execute(_REFUSED, values)

    @property
    def _lock_name(self) -> str:
        return f"token {self._values['service']} {self._values['key']}"

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[AsyncConnection]:
        async with reachable(), self._engine.begin() as connection:
            await connection.execute(_LOCK, {"name": self._lock_name})
            yield connection

    async def _read(self, connection: AsyncConnection) -> TokenRow:
        row = (await connection.execute(_READ, self._values)).one()
        return TokenRow(
            now=row.now,
            token=row.token,
            api_url=row.api_url,
            expires_at=row.expires_at,
            asked_at=tuple(sorted(row.asked_at or ())),
            given_at=tuple(sorted(row.given_at or ())),
            asking_until=row.asking_until,
            refusal=row.refusal,
            refused_at=row.refused_at,
        )


def _look_at(task: "asyncio.Task[Token]") -> None:
    """Its error was somebody's to see, also when all who waited were cancelled."""
    if not task.cancelled():
        task.exception()
