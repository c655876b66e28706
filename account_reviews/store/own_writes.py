"""Whether a change in the CRM is what a write of ours has left."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from account_reviews.domain.records import RecordRef
from account_reviews.store.sql_files import read_sql
from account_reviews.store.statements import Statements

_OWN: Final = read_sql("account_reviews.store", "own_writes.sql")


@dataclass(frozen=True)
class Ours:
    """What is known of some records and their accounts."""

    versions: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)
    """(type, id, version)"""
    busy: frozenset[str] = field(default_factory=frozenset)
    """Accounts of which a write is under way: what it leaves is not known yet."""

    def is_ours(self, record: RecordRef, version: str | None) -> bool:
        """Whether the record stands as a write of ours has left it."""
        return (record.type.value, record.id, version) in self.versions


class OwnWrites:
    """The ledger of operations of one tenant, read. UnreachableError when it is down."""

    def __init__(self, statements: Statements, tenant: str) -> None:
        self._statements = statements
        self._tenant = tenant

    async def of(self, records: Sequence[RecordRef], accounts: Sequence[str]) -> Ours:
        """Of these records, which belong to these accounts."""
        rows = await self._statements.rows(
            _OWN,
            tenant=self._tenant,
            accounts=sorted(set(accounts)),
            records=sorted({one.id for one in records if one.id is not None}),
        )
        return Ours(
            frozenset((row["record_type"], row["record_id"], row["version"]) for row in rows),
            frozenset(row["account_id"] for row in rows if row["under_way"]),
        )
