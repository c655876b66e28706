"""Merkle trees: the published vectors, the RFC's own definition, and what a proof must not pass."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from account_reviews.audit.seals import merkle

VECTORS: tuple[str, ...] = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")
VECTORS += ("606162636465666768696a6b6c6d6e6f",)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Of the test data of Certificate Transparency: the roots of the first 0 to 8 of VECTORS."""

hashes = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=70, unique=True)


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1: split at the largest power of two below the number of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    both = by_definition(leaves[:half]) + by_definition(leaves[half:])
    return hashlib.sha256(b"\x01" + both).digest()


@pytest.mark.parametrize("count", range(9))
def test_published_roots(count: int) -> None:
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in VECTORS[:count]]
    assert merkle.root(leaves).hex() == ROOTS[count]
    built = merkle.RootBuilder()
    for leaf in leaves:
        built.add(leaf)
    assert built.root.hex() == ROOTS[count]
    assert merkle.Tree(leaves).root.hex() == ROOTS[count]


def test_published_proof() -> None:
    """Leaf 0 of 8: the vector of the same test data."""
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in VECTORS]
    assert [step.hex() for step in merkle.inclusion_proof(leaves, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@given(hashes)
def test_every_way_to_the_root_is_the_definition(leaves: list[bytes]) -> None:
    expected = by_definition(leaves)
    built = merkle.RootBuilder()
    for leaf in leaves:
        built.add(leaf)
    assert merkle.root(leaves) == merkle.Tree(leaves).root == built.root == expected


@given(hashes, st.data())
def test_a_proof_holds_for_its_leaf_and_place_only(
    leaves: list[bytes], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, path = merkle.root(leaves), merkle.inclusion_proof(leaves, index)
    count = len(leaves)
    assert merkle.verify_inclusion(leaves[index], index, count, path, root)
    other = hashlib.sha256(leaves[index]).digest()
    assert not merkle.verify_inclusion(other, index, count, path, root)
    assert not merkle.verify_inclusion(leaves[index], index, count, (*path, other), root)
    if path:
        assert not merkle.verify_inclusion(leaves[index], index, count, path[:-1], root)
        assert not merkle.verify_inclusion(leaves[index], index ^ 1, count, path, root)
        assert not merkle.verify_inclusion(leaves[index], index, count, path[::-1], other)
    for outside in (-1, count):
        assert not merkle.verify_inclusion(leaves[index], outside, count, path, root)


def test_a_node_does_not_pass_for_a_leaf() -> None:
    """Else two rows could be shown as one."""
    left, right = merkle.leaf_hash(b"a"), merkle.leaf_hash(b"b")
    assert merkle.node_hash(left, right) != merkle.leaf_hash(left + right)
    with pytest.raises(IndexError):
        merkle.inclusion_proof([left], 1)
