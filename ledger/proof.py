"""A proof that a line is in the log, in the text of C2SP tlog-proof; it is checked without a ledger.

    c2sp.org/tlog-proof@v1
    extra eyJzZXEiOjE3LCJ2ZXJzaW9uIjozLCJyZWNvcmRlZF9hdCI6IjIw
    index 16
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=

    orderledger/0123456789abcdef0123456789abcdef
    18
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

The `extra` is the line itself, the index its seq less one. The hashes lead from the leaf to the root of the checkpoint,
which follows after an empty line with its signatures, if any.
"""

from msgspec import Struct

from ledger import checkpoint as c
from ledger.checkpoint import Checkpoint, Unproven, base64, hash_from, unbase64
from ledger.errors import BadInput
from ledger.merkle import included, leaf
from ledger.signing import Verifier

FORMAT = "c2sp.org/tlog-proof@v1"


class Proof(Struct, frozen=True):
    """A line, its index, the hashes that lead from it to a root, and the checkpoint that has this root."""

    line: bytes
    index: int
    hashes: tuple[bytes, ...]
    checkpoint: Checkpoint

    @property
    def text(self) -> bytes:
        """The proof as it is handed on."""
        hashes = "".join(f"{base64(one)}\n" for one in self.hashes)
        return f"{FORMAT}\nextra {base64(self.line)}\nindex {self.index}\n{hashes}\n".encode() + self.checkpoint.text


def parse(text: bytes, source: str) -> Proof:
    """The proof in a text that came from `source`; BadInput when it is none, or is without the line."""
    try:
        proof = _parsed(text, source)
        if proof.text != text:
            raise ValueError("it is not written as proofs are")
    except ValueError as error:
        raise BadInput(
            f"{source} is no proof of a line",
            why="what it has as extra is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error),
            hint="a proof is kept as `orderledger prove` printed it, to the last line end",
        ) from None
    return proof


def _parsed(text: bytes, source: str) -> Proof:
    top, _, checkpoint = text.partition(b"\n\n")
    first, *rest = top.decode("ascii", "replace").split("\n")
    if first != FORMAT:
        raise ValueError(f"its first line is not {FORMAT}")
    if len(rest) < 2 or not rest[0].startswith("extra ") or not rest[1].startswith("index "):
        raise ValueError("it does not go on with the words `extra` and `index`")
    line, index = unbase64(rest[0][6:]), rest[1][6:]
    if "\n" in line.decode():
        raise ValueError("what it has as extra are several lines")
    if not index.isdecimal() or len(index) > c.DIGITS:
        raise ValueError("its index is not a number")
    hashes = tuple(map(hash_from, rest[2:]))
    return Proof(line, int(index), hashes, c.parse(checkpoint, f"what follows the empty line of {source}"))


def check(proof: Proof, *, outside: Checkpoint | None = None, key: Verifier | None = None) -> None:
    """Unproven when the line is not in the log of the checkpoint, or that is not the outside one, or not signed.

    The proof's own checkpoint was written by whoever made the proof: alone it says nothing about the ledger.
    """
    own = proof.checkpoint
    if not included(leaf(proof.line), proof.index, own.size, proof.hashes, own.root):
        raise Unproven(
            "the proof does not hold",
            why="its hashes do not lead from the line to the root of the checkpoint",
            hint="the line, the proof or the checkpoint was changed; ask for another one",
        )
    if not proof.line.startswith(b'{"seq":%d,' % (proof.index + 1)):
        raise Unproven(
            "the proof does not hold",
            why=f"the line does not begin with seq {proof.index + 1}, which is its place in the log",
            hint="no ledger of orderledger has such a line",
        )
    if outside is not None:
        _compare(own, outside)
    if key is not None:
        signatures = own.signatures + (outside.signatures if outside else ())
        problem = key.problem(Checkpoint(own.origin, own.size, own.root, signatures))
        if problem:
            raise Unproven("the checkpoint is not signed with the key given", why=problem)


def _compare(own: Checkpoint, outside: Checkpoint) -> None:
    if own.origin != outside.origin:
        raise Unproven(
            "the proof is of another ledger than the checkpoint given",
            why=f"it is of {own.origin}, the checkpoint of {outside.origin}",
        )
    if own.size != outside.size:
        raise Unproven(
            "the proof leads to another checkpoint than the one given",
            why=f"its own covers seq 1 to {own.size}, the one given seq 1 to {outside.size}",
            hint="send yours to whoever has the ledger: orderledger prove SEQ --checkpoint FILE",
        )
    if own.root != outside.root:
        raise Unproven(
            "the proof contradicts the checkpoint given",
            why=f"they have different roots over the same number of lines, {own.size}",
            hint="the log was rewritten, or one of the two was made up",
        )
