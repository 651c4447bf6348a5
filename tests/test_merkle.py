"""The Merkle tree: published vectors, the RFC's own definition, another implementation, and what a lie looks like."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree  # type: ignore[import-untyped] # it has no types

from ledger.merkle import EMPTY, Span, Tree, consistency, consistent, included, inclusion, leaf, node

# The reference tree of Certificate Transparency (RFC 6962): its lines, its root at every size, and proofs in it.
LINES = [
    bytes.fromhex(line)
    for line in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCIES = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 7): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}

LEAVES = [leaf(b"line %d" % index) for index in range(300)]


def roots(spans: Sequence[Span], leaves: Sequence[bytes]) -> list[bytes]:
    """The roots of spans of a tree, as one reading gives them."""
    tree = Tree(spans)
    tree.extend(leaves)
    return [tree.roots[span] for span in spans]


# The definitions, written down as they stand in RFC 9162.


def mth(leaves: Sequence[bytes]) -> bytes:
    """2.1.1: the root."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """2.1.3.1: an inclusion proof."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: Sequence[bytes], b: bool = True) -> list[bytes]:
    """2.1.4.1: a consistency proof."""
    if m == len(leaves):
        return [] if b else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


# Roots.


@pytest.mark.parametrize("size", range(9))
def test_the_root_of_the_reference_tree_is_the_published_one_at_every_size(size: int) -> None:
    tree = Tree()
    tree.extend(map(leaf, LINES[:size]))
    assert (tree.size, tree.root().hex()) == (size, ROOTS[size])


def test_the_roots_at_several_sizes_come_from_one_reading() -> None:
    assert [root.hex() for root in roots([(0, size) for size in range(9)], list(map(leaf, LINES)))] == ROOTS


@given(st.integers(0, 300))
def test_a_root_is_what_the_rfc_defines(size: int) -> None:
    assert roots([(0, size)], LEAVES[:size]) == [mth(LEAVES[:size])]


@given(st.lists(st.integers(0, 300)), st.sets(st.integers(0, 300)))
def test_the_way_leaves_come_in_changes_nothing(cuts: list[int], sizes: set[int]) -> None:
    tree = Tree((0, size) for size in sizes)
    for start, end in pairwise([0, *sorted(cuts), 300]):
        tree.extend(iter(LEAVES[start:end]))
        assert tree.root() == mth(LEAVES[:end])
    assert tree.roots == {(0, size): mth(LEAVES[:size]) for size in sizes}


def test_a_size_that_was_not_reached_has_no_root() -> None:
    tree = Tree([(0, 3), (0, 5)])
    tree.extend(LEAVES[:4])
    assert set(tree.roots) == {(0, 3)}
    assert (tree.size, tree.root()) == (4, mth(LEAVES[:4]))


def test_a_tree_keeps_a_hash_a_level() -> None:
    tree = Tree([(0, 3), (4, 8)])
    tree.extend(LEAVES[0] for _ in range(100_000))
    assert len(tree._peaks) == (100_000).bit_count()


# Proofs.


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_the_inclusion_proofs_of_the_reference_tree_are_the_published_ones(index: int, size: int) -> None:
    proof = roots(inclusion(index, size), list(map(leaf, LINES)))
    assert [one.hex() for one in proof] == INCLUSIONS[index, size]
    assert included(leaf(LINES[index]), index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "size"), CONSISTENCIES)
def test_the_consistency_proofs_of_the_reference_tree_are_the_published_ones(old: int, size: int) -> None:
    proof = roots(consistency(old, size), list(map(leaf, LINES)))
    assert [one.hex() for one in proof] == CONSISTENCIES[old, size]
    assert consistent(old, bytes.fromhex(ROOTS[old]), size, bytes.fromhex(ROOTS[size]), proof)


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_an_inclusion_proof_is_what_the_rfc_defines_and_holds(place: tuple[int, int]) -> None:
    index, size = place
    proof = roots(inclusion(index, size), LEAVES)
    assert proof == path(index, LEAVES[:size])
    assert included(LEAVES[index], index, size, proof, mth(LEAVES[:size]))


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_a_consistency_proof_is_what_the_rfc_defines_and_holds(sizes: tuple[int, int]) -> None:
    old, size = sizes
    proof = roots(consistency(old, size), LEAVES)
    assert proof == subproof(old, LEAVES[:size])
    assert consistent(old, mth(LEAVES[:old]), size, mth(LEAVES[:size]), proof)


def test_every_tree_begins_with_the_empty_one() -> None:
    assert consistent(0, EMPTY, 5, mth(LEAVES[:5]), [])
    assert consistent(0, EMPTY, 1, LEAVES[0], [])
    assert consistent(0, EMPTY, 0, EMPTY, [])
    assert not consistent(0, EMPTY, 0, LEAVES[0], [])
    assert not consistent(0, LEAVES[0], 5, mth(LEAVES[:5]), [])
    assert not consistent(0, EMPTY, 5, mth(LEAVES[:5]), [LEAVES[0]])


def test_nothing_is_proved_of_a_leaf_that_is_not_there_nor_of_the_empty_tree() -> None:
    with pytest.raises(AssertionError):
        inclusion(5, 5)
    with pytest.raises(AssertionError):
        consistency(0, 5)


@given(st.integers(1, 10**12).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_the_spans_of_a_proof_are_the_tree_but_for_the_leaf_in_a_few_parts(place: tuple[int, int]) -> None:
    index, size = place
    spans = sorted([*inclusion(index, size), (index, index + 1)])
    assert len(spans) <= 41
    assert [span[0] for span in spans] == [0, *(span[1] for span in spans[:-1])]
    assert spans[-1][1] == size


@given(st.integers(1, 200).flatmap(lambda size: st.tuples(st.integers(1, size), st.just(size))))
def test_another_implementation_has_the_same_roots_and_inclusion_proofs(place: tuple[int, int]) -> None:
    """pymerkle's consistency proofs are cut otherwise than the RFC's, so only these two are compared."""
    seq, size = place
    other = InmemoryTree(algorithm="sha256")
    for index in range(200):
        other.append_entry(b"line %d" % index)
    assert [other.get_root(size)] == roots([(0, size)], LEAVES)
    assert other.prove_inclusion(seq, size).path == [LEAVES[seq - 1], *roots(inclusion(seq - 1, size), LEAVES)]


# Lies.


def bent(data: bytes) -> list[bytes]:
    """The same bytes with each one of their bits turned over."""
    return [(int.from_bytes(data) ^ 1 << bit).to_bytes(len(data)) for bit in range(8 * len(data))]


def other_proofs(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that differ from one in any bit, by a hash less, a hash more, or in their order."""
    bits = [[*proof[:at], one, *proof[at + 1 :]] for at in range(len(proof)) for one in bent(proof[at])]
    shorter = [proof[:at] + proof[at + 1 :] for at in range(len(proof))]
    longer = [[*proof[:at], one, *proof[at:]] for at in range(len(proof) + 1) for one in (EMPTY, LEAVES[0])]
    turned = [proof[::-1]] if len(proof) > 1 else []
    return bits + shorter + longer + turned


PLACES = [(0, 1), (0, 2), (1, 2), (2, 3), (0, 7), (6, 7), (5, 8), (10, 11), (77, 150)]
SIZES = [(1, 1), (1, 2), (2, 3), (3, 4), (4, 8), (6, 8), (7, 8), (5, 11), (64, 150), (99, 150)]


@pytest.mark.parametrize(("index", "size"), PLACES)
def test_an_inclusion_proof_with_anything_changed_does_not_hold(index: int, size: int) -> None:
    proof, root, hashed = path(index, LEAVES[:size]), mth(LEAVES[:size]), LEAVES[index]
    assert included(hashed, index, size, proof, root)
    assert not any(included(hashed, index, size, other, root) for other in other_proofs(proof))
    assert not any(included(other, index, size, proof, root) for other in bent(hashed))
    assert not any(included(hashed, index, size, proof, other) for other in bent(root))
    assert not any(included(hashed, other, size, proof, root) for other in range(-2, size + 2) if other != index)


@pytest.mark.parametrize(("old", "size"), SIZES)
def test_a_consistency_proof_with_anything_changed_does_not_hold(old: int, size: int) -> None:
    proof, old_root, root = subproof(old, LEAVES[:size]), mth(LEAVES[:old]), mth(LEAVES[:size])
    assert consistent(old, old_root, size, root, proof)
    assert not any(consistent(old, old_root, size, root, other) for other in other_proofs(proof))
    assert not any(consistent(old, other, size, root, proof) for other in bent(old_root))
    assert not any(consistent(old, old_root, size, other, proof) for other in bent(root))
    assert not any(consistent(other, old_root, size, root, proof) for other in range(size + 2) if other != old)


def shape(spans: list[Span], is_left: Callable[[Span], bool]) -> list[bool]:
    return [is_left(span) for span in spans]


@pytest.mark.parametrize(("index", "size"), PLACES)
def test_a_root_does_not_say_its_size(index: int, size: int) -> None:
    """A proof holds at another size only where the way to the leaf is the same: a root always comes with its size."""
    proof, root = path(index, LEAVES[:size]), mth(LEAVES[:size])
    for other in range(200):
        same_way = index < other and shape(inclusion(index, other), lambda span: span[0] < index) == shape(
            inclusion(index, size), lambda span: span[0] < index
        )
        assert included(LEAVES[index], index, other, proof, root) == same_way


def test_a_node_is_never_taken_for_a_line() -> None:
    """Leaves and nodes are hashed apart, so two hashes in a row are no line that has their root."""
    assert node(LEAVES[0], LEAVES[1]) != leaf(LEAVES[0] + LEAVES[1])
    assert not included(leaf(LEAVES[0] + LEAVES[1]), 0, 1, [], mth(LEAVES[:2]))


def test_a_log_that_was_rewritten_or_cut_does_not_extend_what_it_was() -> None:
    old = mth(LEAVES[:100])
    for changed in (0, 42, 99):
        other = [*LEAVES[:changed], EMPTY, *LEAVES[changed + 1 : 150]]
        assert not consistent(100, old, 150, mth(other), subproof(100, other))
    shorter = LEAVES[:99] + LEAVES[100:150]
    assert not consistent(100, old, 149, mth(shorter), subproof(100, shorter))
    assert not consistent(100, old, 99, mth(LEAVES[:99]), [])
