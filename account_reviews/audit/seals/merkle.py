"""Merkle trees as RFC 6962 has them: one hash over many leaves, and short proofs that one is in it.

A leaf is hashed with the prefix 0x00 and a node with 0x01, so that neither passes for the other.
All hashes are SHA-256, 32 bytes.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of no leaf at all."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf that holds `data`."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes in their order."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The hashes that lead from leaf `index` to the root, from the bottom. IndexError."""
    return Tree(leaves).proof(index)


class RootBuilder:
    """The root over leaves that come one by one; it keeps some dozen hashes, not all of them."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []
        """Roots of whole subtrees, the largest first: one per bit of `count`."""

    def add(self, leaf: bytes) -> None:
        """The next leaf hash."""
        whole, bits = leaf, self.count
        while bits & 1:
            whole = node_hash(self._peaks.pop(), whole)
            bits >>= 1
        self._peaks.append(whole)
        self.count += 1

    @property
    def root(self) -> bytes:
        """The root over what came so far."""
        if not self._peaks:
            return EMPTY_ROOT
        found = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            found = node_hash(peak, found)
        return found


class Tree:
    """All levels over the same leaves, for many proofs out of one tree."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_above(self._levels[-1]))

    @property
    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[-1] else EMPTY_ROOT

    def proof(self, index: int) -> tuple[bytes, ...]:
        """The hashes that lead from leaf `index` to the root, from the bottom. IndexError."""
        if not 0 <= index < len(self._levels[0]):
            raise IndexError(f"leaf {index} of {len(self._levels[0])}")
        path = []
        for level in self._levels[:-1]:
            beside = index ^ 1
            if beside < len(level):
                path.append(level[beside])
            index //= 2
        return tuple(path)


def root_from_proof(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to; None when the proof does not fit the tree's shape."""
    if not 0 <= index < count:
        return None
    steps = iter(path)
    found, last = leaf, count - 1
    while last > 0:
        if index % 2 == 1 or index < last:  # else it has nobody beside it and moves up as it is
            beside = next(steps, None)
            if beside is None:
                return None
            found = node_hash(beside, found) if index % 2 else node_hash(found, beside)
        index, last = index // 2, last // 2
    return found if next(steps, None) is None else None


def verify_inclusion(
    leaf: bytes, index: int, count: int, path: Sequence[bytes], expected: bytes
) -> bool:
    """True when `leaf` is leaf `index` of the tree of `count` leaves with the root `expected`."""
    return root_from_proof(leaf, index, count, path) == expected


def _above(level: list[bytes]) -> list[bytes]:
    """The next level: pairs become nodes, a last one without a partner moves up as it is."""
    pairs = list(pairwise(level))[::2]
    nodes = [node_hash(left, right) for left, right in pairs]
    return nodes if len(level) % 2 == 0 else [*nodes, level[-1]]
