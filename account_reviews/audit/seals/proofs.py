"""Proofs that a row is under a seal: for exports, and to check one without a database."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from account_reviews.audit.seals.leaves import Position, leaves_of, position_of
from account_reviews.audit.seals.merkle import Tree, verify_inclusion
from account_reviews.audit.seals.seal import Seal
from account_reviews.audit.seals.store import members_of, seal_covering
from account_reviews.domain.errors import BadInputError, NegativeAnswerError

_KEPT_TREES: Final = 8
"""Rows of one review lie under few seals at a time; a tree takes up to some megabytes."""


@dataclass(frozen=True, slots=True)
class RowProof:
    """The way from a row's leaf to the root of its seal."""

    seal: int
    index: int
    """Which leaf, from 0."""
    count: int
    """How many leaves the seal has."""
    path: tuple[bytes, ...]
    """Hashes from the bottom to the top, 32 bytes each."""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "seal": self.seal,
            "index": self.index,
            "count": self.count,
            "path": [step.hex() for step in self.path],
        }


def row_proof_from(document: Mapping[str, Any]) -> RowProof:
    """The proof of a JSON object. BadInputError when it is none, or holds anything more."""
    try:
        proof = RowProof(
            seal=document["seal"],
            index=document["index"],
            count=document["count"],
            path=tuple(bytes.fromhex(step) for step in document["path"]),
        )
        numbers = (proof.seal, proof.index, proof.count)
        if proof.document() != document or any(type(one) is not int for one in numbers):
            raise ValueError("other keys or values than those of one")
        return proof
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"this is no proof: {type(error).__name__} {error}") from None


@dataclass(slots=True)
class Proof:
    """What many rows need: a proof each, and the seals these lead to, by their numbers."""

    rows: dict[Position, RowProof] = field(default_factory=dict)
    """Rows that are younger than the last seal have none."""
    seals: dict[int, Seal] = field(default_factory=dict)


@dataclass(frozen=True)
class _SealedTree:
    seal: Seal
    places: dict[Position, int]
    tree: Tree


class Prover:
    """Makes proofs on one connection. Quickest when rows come in the order of their positions."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._trees: OrderedDict[int, _SealedTree] = OrderedDict()
        self.seals: dict[int, Seal] = {}
        """Every seal that a proof led to."""

    async def proof(self, position: Position) -> RowProof | None:
        """The proof of the row at `position`; None when it is younger than the last seal.

        NegativeAnswerError when the seals and the trail do not agree.
        """
        found = await self._tree_over(position)
        if found is None:
            return None
        index = found.places.get(position)
        if index is None:
            raise _disagreement(found.seal.number)
        self.seals[found.seal.number] = found.seal
        path = found.tree.proof(index)
        return RowProof(found.seal.number, index, len(found.places), path)

    async def _tree_over(self, position: Position) -> _SealedTree | None:
        for known in self._trees.values():
            if known.seal.after < position <= known.seal.until:
                self._trees.move_to_end(known.seal.number)
                return known
        seal = await seal_covering(self._connection, position)
        if seal is None:
            return None
        made = await self._read(seal)
        self._trees[seal.number] = made
        if len(self._trees) > _KEPT_TREES:
            self._trees.popitem(last=False)
        return made

    async def _read(self, seal: Seal) -> _SealedTree:
        try:
            members = await members_of(self._connection, seal.number)
        except ValueError:
            raise _disagreement(seal.number) from None
        tree = Tree([member.leaf for member in members])
        if tree.root != seal.root or len(members) != seal.rows:
            raise _disagreement(seal.number)
        places = {member.position: index for index, member in enumerate(members)}
        return _SealedTree(seal, places, tree)


async def proof_of(connection: AsyncConnection, rows: Iterable[Mapping[str, Any]]) -> Proof:
    """The proofs of rows (`leaves.row_of`), with the seals they lead to. NegativeAnswerError."""
    prover, proof = Prover(connection), Proof()
    for position in sorted(position_of(row) for row in rows):
        one = await prover.proof(position)
        if one is not None:
            proof.rows[position] = one
    proof.seals = prover.seals
    return proof


def verify_proof(row: Mapping[str, Any], proof: RowProof, seal: Seal) -> bool:
    """True when the row, as it is written here, is the one that the seal closed.

    The seal itself is to be checked too: `Seal.is_signed`. KeyError when the row lacks a column.
    """
    return (
        proof.seal == seal.number
        and proof.count == seal.rows
        and seal.after < position_of(row) <= seal.until
        and any(
            verify_inclusion(leaf, proof.index, proof.count, proof.path, seal.root)
            for leaf in leaves_of(row)
        )
    )


def _disagreement(number: int) -> NegativeAnswerError:
    return NegativeAnswerError(
        f"the trail does not agree with seal {number}", hint="run `reviews audit verify`"
    )
