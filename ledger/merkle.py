"""The Merkle tree of RFC 9162 over the lines of the log: its roots, and proofs of inclusion and of consistency.

A leaf is the hash of a line without its newline; the leaf of seq 1 has index 0. A *span* (start, end) is a part of the
tree by its leaves, `end` not included; a proof is the roots of a few spans. No more is kept than a hash a level.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import islice

Span = tuple[int, int]

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf(line: bytes) -> bytes:
    """The leaf of a line without its newline."""
    return sha256(b"\x00" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    """The hash of two parts that stand side by side."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows at its right end; `roots` has those of the wanted spans as soon as their leaves were there.

    A span begins at a multiple of a power of two and is no longer than that: so do (0, size), at any size, and every
    span of a proof.
    """

    def __init__(self, wanted: Iterable[Span] = ()) -> None:
        self.size = 0
        self.roots: dict[Span, bytes] = {}
        self._peaks: list[bytes] = []  # the roots of the complete subtrees, one for each bit of the size, largest first
        self._wanted = sorted(set(wanted), key=lambda span: span[1], reverse=True)
        while self._wanted and self._wanted[-1] == (0, 0):
            self.roots[self._wanted.pop()] = EMPTY

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaves at the right end."""
        rest = iter(leaves)
        while self._wanted:
            end = self._wanted[-1][1]
            self._grow(islice(rest, end - 1 - self.size))
            last = next(rest, None)
            if last is None:
                return
            while self._wanted and self._wanted[-1][1] == end:
                span = self._wanted.pop()
                self.roots[span] = self._root(span[0], last)
            self._grow((last,))
        self._grow(rest)

    def root(self) -> bytes:
        """The root of the tree as it is now."""
        return _joined(self._peaks) if self._peaks else EMPTY

    def _root(self, start: int, last: bytes) -> bytes:
        """The root of what begins at `start` and ends with one leaf more than the tree has."""
        peaks = (self.size - start).bit_count()
        return _joined([*self._peaks[len(self._peaks) - peaks :], last])

    def _grow(self, leaves: Iterable[bytes]) -> None:
        peaks, size = self._peaks, self.size
        for hashed in leaves:
            bits = size
            while bits & 1:
                hashed = sha256(b"\x01" + peaks.pop() + hashed).digest()  # noqa: PLW2901 - a call costs as much again
                bits >>= 1
            peaks.append(hashed)
            size += 1
        self.size = size


def _joined(peaks: Sequence[bytes]) -> bytes:
    """The root over complete subtrees, the largest first."""
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node(peak, root)
    return root


def inclusion(index: int, size: int) -> list[Span]:
    """The spans whose roots prove a leaf's place in a tree, from the leaf upwards (RFC 9162 2.1.3.1)."""
    assert 0 <= index < size
    start, end, spans = 0, size, []
    while end - start > 1:
        middle = start + _left(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def consistency(old_size: int, size: int) -> list[Span]:
    """The spans whose roots prove that a tree begins with an older, not empty one (RFC 9162 2.1.4.1)."""
    assert 0 < old_size <= size
    start, end, spans = 0, size, []
    while end != old_size:
        middle = start + _left(end - start)
        if old_size <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:
        spans.append((start, end))
    return spans[::-1]


def included(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof shows that a leaf is at an index of the tree with this root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    spans = inclusion(index, size)
    if len(spans) != len(proof):
        return False
    for (start, _), beside in zip(spans, proof, strict=True):
        hashed = node(beside, hashed) if start < index else node(hashed, beside)
    return hashed == root


def consistent(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the tree with `root` begins with the one with `old_root` (RFC 9162 2.1.4.2)."""
    if old_size == 0:
        return old_root == EMPTY and not proof and (size > 0 or (size, root) == (0, EMPTY))
    if not 0 < old_size <= size:
        return False
    spans = consistency(old_size, size)
    if len(spans) != len(proof):
        return False
    steps = list(zip(spans, proof, strict=True))
    # The smallest part that ends where the old tree does: the old tree itself where it is a whole subtree of the new.
    old = new = steps.pop(0)[1] if spans and spans[0][1] == old_size else old_root
    for (_, end), beside in steps:
        if end < old_size:
            old, new = node(beside, old), node(beside, new)
        else:
            new = node(new, beside)
    return (old, new) == (old_root, root)


def _left(size: int) -> int:
    """How many leaves go to the left: the largest power of two that is smaller than the size."""
    return 1 << (size - 1).bit_length() - 1
