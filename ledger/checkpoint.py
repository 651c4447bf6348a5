"""A checkpoint: a tree head in the text of C2SP tlog-checkpoint, with or without signature lines.

    orderledger/0123456789abcdef0123456789abcdef
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

The first line, the *origin*, names the ledger; then come the number of lines and the root over them. Signatures follow
after an empty line, one a line (C2SP signed-note). A text is taken only if it is, byte for byte, what is written here.
"""

import re
from base64 import b64decode, b64encode

from msgspec import Struct

from ledger.errors import BadInput, LedgerError
from ledger.merkle import Tree

DIGITS = 12
"""Of a size: as many as the names of segments have."""

_ORIGIN = re.compile(r"orderledger/[!-*,-~]+")
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/=]+)")


class Unproven(LedgerError):
    """Something well formed that does not prove what it should (exit 1)."""

    exit_code = 1


class Checkpoint(Struct, frozen=True):
    """The head of a tree: whose it is, how many lines it covers, the root over them, and who signed that."""

    origin: str
    size: int
    root: bytes
    signatures: tuple[str, ...] = ()

    @property
    def body(self) -> bytes:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{base64(self.root)}\n".encode()

    @property
    def text(self) -> bytes:
        """The body, and the signatures if there are any."""
        lines = "".join(f"{line}\n" for line in self.signatures)
        return self.body + (f"\n{lines}".encode() if lines else b"")


def origin_of(ledger_id: str) -> str:
    """The name that a ledger has in its checkpoints."""
    return f"orderledger/{ledger_id}"


def parse(text: bytes, source: str) -> Checkpoint:
    """The checkpoint in a text that came from `source`; BadInput when it is none."""
    try:
        return _parsed(text)
    except ValueError as error:
        raise BadInput(
            f"{source} is no checkpoint",
            why="it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error),
            hint="a checkpoint is kept as `orderledger checkpoint` printed it, to the last line end",
        ) from None


def _parsed(text: bytes) -> Checkpoint:
    plain = text.decode()
    if not plain.replace("\n", "").isprintable():
        raise ValueError("it has control characters")
    body, _, signatures = plain.partition("\n\n")
    lines = body.removesuffix("\n").split("\n")
    if len(lines) != 3:
        raise ValueError("it should begin with three lines: origin, size, root")
    origin, size, root = lines
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("its first line is not orderledger/ and a ledger's id")
    if not re.fullmatch(f"[0-9]{{1,{DIGITS}}}", size):
        raise ValueError("its second line is not a number of lines")
    signed = tuple(signatures.removesuffix("\n").split("\n")) if signatures else ()
    for line in signed:
        found = _SIGNATURE.fullmatch(line)
        if found is None or len(unbase64(found[2])) < 5:
            raise ValueError("what follows its empty line are not signatures")
    checkpoint = Checkpoint(origin, int(size), hash_from(root), signed)
    if checkpoint.text != text:
        raise ValueError("it is not written as checkpoints are: a zero too many, a line end, something after its end")
    return checkpoint


def contradiction(checkpoint: Checkpoint, tree: Tree) -> str:
    """What says that a log does not begin with the lines of a checkpoint, or nothing when it does.

    `tree` is the log's, whole, and made with (0, checkpoint.size) among its wanted spans.
    """
    if checkpoint.size > tree.size:
        return f"the log ends at seq {tree.size}, the checkpoint covers seq 1 to {checkpoint.size}"
    if checkpoint.root != tree.roots[0, checkpoint.size]:
        return f"the lines seq 1 to {checkpoint.size} are not those that the checkpoint covers"
    return ""


def base64(data: bytes) -> str:
    """Bytes as base64."""
    return b64encode(data).decode()


def unbase64(text: str) -> bytes:
    """Bytes from base64; ValueError when it is not the one way to write them."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if base64(data) != text:
        raise ValueError("it has a line that is not base64")
    return data


def hash_from(text: str) -> bytes:
    """A hash from base64; ValueError when it is none."""
    data = unbase64(text)
    if len(data) != 32:
        raise ValueError("it has a line that is no hash of 32 bytes")
    return data
