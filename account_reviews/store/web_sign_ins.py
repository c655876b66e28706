"""Sign-ins under way: those that a provider has not answered yet, and how many were tried."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_BEGIN: Final = read_sql("account_reviews.store", "begin_web_sign_in.sql")
_TAKE: Final = (
    "delete from reviews.web_sign_ins where tenant = :tenant and id_hash = :id_hash "
    "returning browser_hash, nonce, verifier, following, ends_at > now() as holds"
)
_TRY: Final = read_sql("account_reviews.store", "try_sign_in.sql")
_FORGET: Final = read_sql("account_reviews.store", "forget_sign_in.sql")


class Begun(NamedTuple):
    """What a sign-in began with."""

    browser_hash: bytes
    nonce: str
    verifier: str
    following: str
    holds: bool
    """False when it took too long."""


class Bound(NamedTuple):
    """How often something may be tried within the window."""

    key: bytes
    most: int


class WebSignIns:
    """Those of one tenant. UnreachableError when the database is down."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def begin(self, id_hash: bytes, begun: Begun, length: timedelta) -> None:
        """A provider is asked."""
        values = {name: value for name, value in begun._asdict().items() if name != "holds"}
        await self._statements.execute(
            _BEGIN, tenant=self._tenant, id_hash=id_hash, length=length, **values
        )

    async def take(self, id_hash: bytes) -> Begun | None:
        """What it began with, once; None for one that was answered, or never began."""
        row = await self._statements.row(_TAKE, tenant=self._tenant, id_hash=id_hash)
        return None if row is None else Begun(**row)

    async def count(self, bounds: Sequence[Bound], window: timedelta) -> float | None:
        """Count one more try under each key. None when all are within their bounds, else in how
        many seconds the next one would be; then it is not counted."""
        found: float | None = await self._statements.scalar(
            _TRY,
            tenant=self._tenant,
            keys=[one.key for one in bounds],
            mosts=[one.most for one in bounds],
            length=window,
        )
        return found

    async def forget(self, every: Sequence[bytes], once: Sequence[bytes]) -> None:
        """He is who he says: forget each try under the keys `every`, and the last under each of
        `once`."""
        await self._statements.execute(
            _FORGET, tenant=self._tenant, every=list(every), once=list(once)
        )
