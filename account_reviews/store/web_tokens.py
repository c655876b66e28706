"""Tokens of programs, by the hash of what they send."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from account_reviews.domain.errors import NotFoundError
from account_reviews.domain.person_names import clean_name, person
from account_reviews.domain.policy.access import Role
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

_ADD: Final = read_sql("account_reviews.store", "add_web_token.sql")
_FIND: Final = read_sql("account_reviews.store", "find_web_token.sql")
_LIST: Final = "select * from reviews.web_tokens where tenant = :tenant order by created_at, id"
_REVOKE: Final = (
    "update reviews.web_tokens set revoked_at = coalesce(revoked_at, now()) "
    "where tenant = :tenant and id = :id returning *"
)


class TokenRow(NamedTuple):
    """A token, without what it is proven by. `scopes`: None for whatever the roles allow."""

    id: str
    name: str
    roles: tuple[Role, ...]
    scopes: tuple[str, ...] | None
    created_at: datetime
    created_by: str
    used_at: datetime | None
    ends_at: datetime | None
    revoked_at: datetime | None


class WebTokens:
    """Those of one tenant. UnreachableError when the database is down."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def add(
        self,
        id_: str,
        secret_hash: bytes,
        *,
        name: str,
        roles: Sequence[Role],
        scopes: Sequence[str] | None,
        created_by: str,
        ends_at: datetime | None,
    ) -> None:
        """A token that holds from now on."""
        await self._statements.execute(
            _ADD,
            id=id_,
            tenant=self._tenant,
            person=person(name),
            name=clean_name(name),
            roles=list(roles),
            scopes=None if scopes is None else list(scopes),
            secret_hash=secret_hash,
            created_by=created_by,
            ends_at=ends_at,
        )

    async def find(self, secret_hash: bytes) -> TokenRow | None:
        """The token that was sent, None unless it holds."""
        row = await self._statements.row(_FIND, tenant=self._tenant, secret_hash=secret_hash)
        return None if row is None else _row(row)

    async def listed(self) -> list[TokenRow]:
        """All, the oldest first."""
        return [_row(row) for row in await self._statements.rows(_LIST, tenant=self._tenant)]

    async def revoke(self, id_: str) -> TokenRow:
        """It holds no more; NotFoundError."""
        row = await self._statements.row(_REVOKE, tenant=self._tenant, id=id_)
        if row is None:
            raise NotFoundError(f"there is no token {id_!r}", hint="see `reviews tokens list`")
        return _row(row)


def _row(row: Row) -> TokenRow:
    values: dict[str, Any] = {name: row[name] for name in TokenRow._fields}
    known = tuple(Role(word) for word in row["roles"] if word in list(Role))
    scopes = None if row["scopes"] is None else tuple(row["scopes"])
    return TokenRow(**{**values, "roles": known, "scopes": scopes})
