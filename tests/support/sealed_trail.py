"""Sealed trails for tests: a sealer, a verifier and a second place over one database."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from account_reviews.audit.seals.anchors import Anchors, open_anchors
from account_reviews.audit.seals.keys import SigningKey, public_keys, signing_key
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.sealer import Sealer
from account_reviews.audit.seals.store import seals_between
from account_reviews.audit.store import insert
from account_reviews.audit.verify.verifier import Report, Verifier
from bench.tampering import BEGAN, event

TABLES = (
    "audit.audit_events, audit.seals, audit.archived_rows, audit.archives, audit.runs, "
    "audit.reconciliations"
)


@dataclass
class Sealed:
    """A trail with what seals and checks it."""

    engine: AsyncEngine
    folder: Path
    anchors: Anchors

    @property
    def key_file(self) -> Path:
        return self.folder / "signing-key.pem"

    @property
    def key(self) -> SigningKey:
        return signing_key(self.key_file)

    @property
    def place(self) -> Path:
        """The file of the second place."""
        return Path(self.anchors.where)

    def sealer(self, **options: Any) -> Sealer:
        return Sealer(self.engine, self.key, self.anchors, **options)

    def verifier(self, **options: Any) -> Verifier:
        return Verifier(self.engine, public_keys(self.key_file), self.anchors, **options)

    async def verify(self) -> Report:
        return await self.verifier().verify()

    async def add(self, *numbers: int, review: int = 0) -> None:
        await insert(self.engine, [event(number, review) for number in numbers])

    async def seals(self) -> list[Seal]:
        async with self.engine.connect() as connection:
            return await seals_between(connection, 1, 2**31)

    async def owner(self, *statements: str) -> None:
        """What the owner can do who turns the guards off."""
        async with self.engine.begin() as connection:
            await connection.execute(text("set local session_replication_role = replica"))
            for statement in statements:
                await connection.execute(text(statement))


async def fresh(engine: AsyncEngine, folder: Path, place: str | None = None) -> Sealed:
    """An empty trail with the month of its rows, its key and its second place in `folder`."""
    trail = Sealed(engine, folder, open_anchors(place or str(folder / "seals.jsonl")))
    await trail.owner(
        f"truncate {TABLES}", f"select audit.create_audit_partition('{BEGAN:%Y-%m-%d}')"
    )
    return trail
