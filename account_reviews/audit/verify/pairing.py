"""Seals of the table beside those of the second place: which to believe, and what does not fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.anchors import Anchors
from account_reviews.audit.seals.faults import Fault, Kind
from account_reviews.audit.seals.keys import PublicKeys
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.store import last_seal, seals_between
from account_reviews.domain.canonical import rfc3339
from account_reviews.domain.errors import BadInputError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

LATE: Final = timedelta(minutes=1)
"""What is younger is on its way."""
_PAGE: Final = 1000


@dataclass
class Paired:
    """What came out while seals were put side by side."""

    newest: Seal | None = None
    """The last seal that is known, from wherever it is."""
    unanchored: int = 0
    faults: list[Fault] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class Pairing:
    """Walks through the seals from the number `first` on."""

    def __init__(
        self,
        connection: AsyncConnection,
        anchors: Anchors,
        keys: PublicKeys,
        first: int = 1,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._first = first
        self.paired = Paired()
        self._place = _Place(anchors, first, self.paired)

    async def believed(self) -> AsyncIterator[Seal]:
        """One seal per number, in order. Where both differ, the one that a known key signed."""
        here = await last_seal(self._connection)
        there = await self._place.newest(here.number if here else 0)
        newest = max((one for one in (here, there) if one), key=_number, default=None)
        self.paired.newest = newest
        last = newest.number if newest else 0
        for start in range(self._first, last + 1, _PAGE):
            end = min(last, start + _PAGE - 1)
            table = {one.number: one for one in await seals_between(self._connection, start, end)}
            place = await self._place.upto(end)
            for number in range(start, end + 1):
                seal = self._judge(number, table.get(number), place.get(number), there)
                if seal is not None:
                    yield seal
            if not table and not place:  # the newest has a made-up number
                break
        self._report_unanchored(here, there)

    def _judge(
        self, number: int, table: Seal | None, place: Seal | None, there: Seal | None
    ) -> Seal | None:
        compared = self._place.compared and there is not None and number <= there.number
        if table is None:
            self._found(number, "the seal is gone from the database")
            return place
        if place is None:
            if compared:
                self._found(number, "the seal is gone from the second place")
            return table
        if table.document() == place.document():
            return table
        self._found(number, "the database has another seal than the second place")
        return place if place.is_signed(self._keys) else table

    def _report_unanchored(self, here: Seal | None, there: Seal | None) -> None:
        if here is None or not self._place.compared:
            return
        self.paired.unanchored = max(0, here.number - (there.number if there else 0))
        if self.paired.unanchored and datetime.now(UTC) - here.sealed_at > LATE:
            self.paired.warnings.append(
                f"{self.paired.unanchored} seals are not in the second place, the newest of "
                f"{rfc3339(here.sealed_at)}: against the owner of the database their rows are "
                "protected by the signature only"
            )

    def _found(self, number: int, why: str) -> None:
        self.paired.faults.append(Fault(kind=Kind.SEAL, seal=number, why=why))


class _Place:
    """The second place, read once from front to back."""

    def __init__(self, anchors: Anchors, first: int, paired: Paired) -> None:
        self._anchors = anchors
        self._seals = anchors.read(first)
        self._paired = paired
        self._waiting: Seal | None = None
        self._seen = 0
        self.compared = True
        """False when it cannot be read: then nothing is said about what it lacks."""

    async def newest(self, upto: int) -> Seal | None:
        with self._trouble():
            return await self._anchors.newest(upto)
        return None

    async def upto(self, end: int) -> dict[int, Seal]:
        """The seals up to a number that were not given yet."""
        found: dict[int, Seal] = {}
        while self.compared:
            with self._trouble():
                self._waiting = self._waiting or await anext(self._seals, None)
            seal = self._waiting
            if seal is None or seal.number > end:
                break
            self._waiting = None
            if seal.number <= self._seen:
                why = f"the second place has it again behind seal {self._seen}"
                fault = Fault(kind=Kind.SEAL, seal=seal.number, why=why)
                self._paired.faults.append(fault)
                continue
            self._seen = seal.number
            found[seal.number] = seal
        return found

    @contextmanager
    def _trouble(self) -> Iterator[None]:
        try:
            yield
        except UnreachableError as error:
            self.compared = False
            self._paired.warnings.append(
                f"seals were not compared with the second place: {error.message}"
            )
        except BadInputError as error:
            self.compared = False
            self._paired.faults.append(Fault(kind=Kind.SEAL, why=error.message))


def _number(seal: Seal) -> int:
    return seal.number
