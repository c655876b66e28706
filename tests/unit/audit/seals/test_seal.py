"""Seals: what they bind together."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from account_reviews.audit.seals.keys import PublicKeys, SigningKey, signing_key
from account_reviews.audit.seals.leaves import Position
from account_reviews.audit.seals.merkle import leaf_hash, root
from account_reviews.audit.seals.seal import NO_SEAL, Seal, fault_of, next_seal, seal_from
from account_reviews.audit.seals.store import Member, pack, unpack
from account_reviews.domain.errors import BadInputError

AT = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)
LEAVES = [leaf_hash(bytes([n])) for n in range(5)]


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path / "key.pem")


def chain(key: SigningKey) -> tuple[Seal, Seal]:
    first = next_seal(None, Position(10, 3), LEAVES[:3], AT, key)
    return first, next_seal(first, Position(11, 5), LEAVES[3:], AT, key)


def test_a_chain_of_seals(key: SigningKey) -> None:
    first, second = chain(key)
    keys = PublicKeys([key.public])
    assert (first.number, first.previous, first.after) == (1, NO_SEAL, (0, 0))
    assert (second.number, second.previous, second.after) == (2, first.hash, first.until)
    assert first.root == root(LEAVES[:3])
    assert fault_of(first, None, keys) is None
    assert fault_of(second, first, keys) is None
    assert seal_from(orjson.loads(orjson.dumps(second.document()))) == second


def test_every_field_is_bound(key: SigningKey) -> None:
    first, second = chain(key)
    keys = PublicKeys([key.public])
    changes: dict[str, object] = {
        "number": 3,
        "sealed_at": AT.replace(microsecond=6),
        "after": Position(10, 2),
        "until": Position(11, 6),
        "rows": 3,
        "root": LEAVES[0],
        "previous": NO_SEAL,
        "key_id": "0" * 16,
        "signature": first.signature,
    }
    assert set(changes) == set(second.document())
    for name, value in changes.items():
        changed = replace(second, **{name: value})  # type: ignore[arg-type]
        assert fault_of(changed, first, keys) is not None, name
        assert name == "signature" or changed.hash != second.hash


def test_signed_again_by_somebody_else(key: SigningKey, tmp_path: Path) -> None:
    first, second = chain(key)
    keys = PublicKeys([key.public])
    other = signing_key(tmp_path / "other" / "key.pem")
    assert "not known" in (fault_of(second.signed(other), first, keys) or "")
    forged = replace(second.signed(other), key_id=key.id)
    assert "signature is wrong" in (fault_of(forged, first, keys) or "")
    assert "not known" in (fault_of(first, None, PublicKeys()) or "")


def test_out_of_line(key: SigningKey) -> None:
    first, second = chain(key)
    keys = PublicKeys([key.public])
    assert "does not follow" in (fault_of(second, None, keys) or "")
    rerooted = replace(first, root=LEAVES[4]).signed(key)
    assert "hash of the seal before" in (fault_of(second, rerooted, keys) or "")
    empty = replace(first, rows=0).signed(key)
    assert "no rows" in (fault_of(empty, None, keys) or "")


def test_what_is_no_seal() -> None:
    for document in ({}, {"number": "x"}, {"number": 1, "sealed_at": "soon"}):
        with pytest.raises(BadInputError, match="no seal"):
            seal_from(document)


def test_members_as_bytes() -> None:
    members = [Member(Position(2**40, n), leaf) for n, leaf in enumerate(LEAVES)]
    assert unpack(pack(members)) == members
    assert len(pack(members)) == 48 * len(members)
    with pytest.raises(ValueError, match="whole number"):
        unpack(pack(members)[:-1])
