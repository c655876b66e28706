"""Seals: each closes a stretch of the trail with a Merkle root, the seal before it and a signature.

A stretch goes from behind one position to another, in the order (transaction, number), without
holes between seals. A seal is the same in the table, in the second place and in an export.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from account_reviews.audit.seals import merkle
from account_reviews.audit.seals.keys import PublicKeys, SigningKey
from account_reviews.audit.seals.leaves import BEGINNING, Position
from account_reviews.domain.canonical import canonical_json, rfc3339
from account_reviews.domain.errors import BadInputError

NO_SEAL: Final = bytes(merkle.HASH_SIZE)
"""What the first seal has for `previous`."""

_PURPOSE: Final = b"account-reviews audit seal 1\n"
"""Signed with it, so that no other signature of the key passes for a seal's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """One seal. `after` is the position before its first row, `until` that of its last."""

    number: int
    """From 1, without gaps."""
    sealed_at: datetime
    after: Position
    until: Position
    rows: int
    root: bytes
    """Merkle root over the leaves of its rows, 32 bytes."""
    previous: bytes
    """Hash of the seal before, 32 bytes."""
    key_id: str
    signature: bytes = b""
    """Ed25519, 64 bytes."""

    def body(self) -> bytes:
        """What is hashed and signed: canonical JSON of all but the signature."""
        return canonical_json(self._fields())

    @property
    def hash(self) -> bytes:
        """What the next seal has for `previous`, 32 bytes."""
        return hashlib.sha256(_PURPOSE + self.body()).digest()

    def signed(self, key: SigningKey) -> "Seal":
        """The same seal with the key's signature."""
        mine = replace(self, key_id=key.id)
        return replace(mine, signature=key.sign(_PURPOSE + mine.body()))

    def is_signed(self, keys: PublicKeys) -> bool:
        """True when a key that we know made the signature."""
        return keys.verify(self.key_id, self.signature, _PURPOSE + self.body())

    def document(self) -> dict[str, Any]:
        """As JSON, for the second place and for exports."""
        return {**self._fields(), "signature": self.signature.hex()}

    def _fields(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "sealed_at": rfc3339(self.sealed_at),
            "after": list(self.after),
            "until": list(self.until),
            "rows": self.rows,
            "root": self.root.hex(),
            "previous": self.previous.hex(),
            "key_id": self.key_id,
        }


def seal_from(document: Mapping[str, Any]) -> Seal:
    """The seal of a JSON object. BadInputError when it is none, or spelled as no seal is."""
    try:
        seal = Seal(
            number=_whole(document["number"]),
            sealed_at=datetime.fromisoformat(document["sealed_at"]).astimezone(UTC),
            after=Position(*map(_whole, document["after"])),
            until=Position(*map(_whole, document["until"])),
            rows=_whole(document["rows"]),
            root=bytes.fromhex(document["root"]),
            previous=bytes.fromhex(document["previous"]),
            key_id=str(document["key_id"]),
            signature=bytes.fromhex(document["signature"]),
        )
        said = seal.document()
        odd = {key for key in document if key not in said or said[key] != document[key]}
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadInputError(f"this is no seal: {type(error).__name__} {error}") from None
    if odd:
        raise BadInputError(f"this is no seal: {min(odd)!r} is none of its keys, or spelled oddly")
    return seal


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    return value


def next_seal(
    last: Seal | None, until: Position, leaves: Sequence[bytes], at: datetime, key: SigningKey
) -> Seal:
    """The seal that follows `last` and closes the rows up to `until`."""
    return Seal(
        number=1 if last is None else last.number + 1,
        sealed_at=at,
        after=BEGINNING if last is None else last.until,
        until=until,
        rows=len(leaves),
        root=merkle.root(leaves),
        previous=NO_SEAL if last is None else last.hash,
        key_id=key.id,
    ).signed(key)


def fault_of(seal: Seal, before: Seal | None, keys: PublicKeys) -> str | None:
    """What is wrong with a seal by itself and as the one after `before`; None when all is well.

    `before` is None for the first seal. Nothing about its rows is checked here.
    """
    if seal.number != (1 if before is None else before.number + 1):
        return "it does not follow the seal before it"
    if seal.previous != (NO_SEAL if before is None else before.hash):
        return "it does not hold the hash of the seal before it"
    if seal.after != (BEGINNING if before is None else before.until):
        return "its rows do not begin where those of the seal before it end"
    if not seal.after < seal.until or seal.rows < 1:
        return "it closes no rows"
    return signature_fault(seal, keys)


def signature_fault(seal: Seal, keys: PublicKeys) -> str | None:
    """What is wrong with its signature, or None."""
    if seal.key_id not in keys:
        return f"it is signed with the key {seal.key_id}, which is not known here"
    return None if seal.is_signed(keys) else "its signature is wrong"
