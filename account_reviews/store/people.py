"""Who may sign in, and who has: with roles and groups, beside the users of the policy."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from account_reviews.domain.access.people import Known
from account_reviews.domain.errors import ConflictError, NotFoundError
from account_reviews.domain.person_names import clean_name, person
from account_reviews.domain.policy.access import Role
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Row, Statements

Source = Literal["local", "oidc", "link"]

_FIND: Final = read_sql("account_reviews.store", "find_people.sql")
_PUT: Final = read_sql("account_reviews.store", "put_person.sql")
_ADD: Final = read_sql("account_reviews.store", "add_person.sql")
_ONE: Final = "select * from reviews.people where tenant = :tenant and person = :person"
_LIST: Final = "select * from reviews.people where tenant = :tenant order by name, person"
_REMOVE: Final = "delete from reviews.people where tenant = :tenant and person = :person"


class PersonRow(NamedTuple):
    """Somebody, as the table has him."""

    name: str
    source: Source
    roles: tuple[Role, ...]
    groups: tuple[str, ...]
    password_hash: str | None
    created_at: datetime
    seen_at: datetime | None
    until_at: datetime | None


class People:
    """The people of one tenant. UnreachableError when the database is down."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def find(self, names: Sequence[str]) -> list[Known]:
        """Those of these names who count now, by whatever spelling: people, and programs by the
        roles of their tokens."""
        if not names:
            return []
        meant = [person(name) for name in names]
        rows = await self._statements.rows(_FIND, tenant=self._tenant, people=meant)
        return [
            Known(name=row["name"], roles=_roles(row["roles"]), groups=tuple(row["groups"]))
            for row in rows
        ]

    async def get(self, name: str) -> PersonRow | None:
        """Somebody by name; None for nobody."""
        row = await self._statements.row(_ONE, tenant=self._tenant, person=person(name))
        return None if row is None else _row(row)

    async def listed(self) -> list[PersonRow]:
        """Everybody, by name."""
        return [_row(row) for row in await self._statements.rows(_LIST, tenant=self._tenant)]

    async def add_local(
        self, name: str, roles: Sequence[Role], groups: Sequence[str], password_hash: str
    ) -> None:
        """A local user. ConflictError when there is one of that name."""
        made = await self._statements.execute(
            _ADD,
            tenant=self._tenant,
            person=person(name),
            name=clean_name(name),
            roles=list(roles),
            groups=list(groups),
            password_hash=password_hash,
        )
        if not made:
            raise ConflictError(
                f"there is a local user {clean_name(name)!r} already",
                hint="remove the user first with `reviews users remove`",
            )

    async def put(
        self,
        name: str,
        source: Source,
        *,
        roles: Sequence[Role] = (),
        groups: Sequence[str] = (),
        length: timedelta,
    ) -> PersonRow:
        """Somebody who signs in by other means; his roles count for `length`. ConflictError where
        a local user has that name."""
        row = await self._statements.row(
            _PUT,
            tenant=self._tenant,
            person=person(name),
            name=clean_name(name),
            source=source,
            roles=list(roles),
            groups=list(groups),
            length=length,
        )
        if row is None:
            raise ConflictError(f"there is a local user {clean_name(name)!r}, who has a password")
        return _row(row)

    async def remove(self, name: str) -> None:
        """With every session. NotFoundError."""
        gone = await self._statements.execute(_REMOVE, tenant=self._tenant, person=person(name))
        if not gone:
            raise NotFoundError(f"there is no user {name!r}", hint="see `reviews users list`")


def _row(row: Row) -> PersonRow:
    values: dict[str, Any] = {name: row[name] for name in PersonRow._fields}
    return PersonRow(**{**values, "roles": _roles(row["roles"]), "groups": tuple(row["groups"])})


def _roles(words: Sequence[str]) -> tuple[Role, ...]:
    """Those that this version knows."""
    return tuple(Role(word) for word in words if word in list(Role))
