"""What was shipped of a ledger to another place: the manifest that lies there, and the files that it names.

Files in that place never change: a segment that still grows is shipped as what it has so far, under a name with its
size. The manifest comes last, so that whoever goes by it finds everything that it names.
"""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from ledger import plain
from ledger.errors import UNREADABLE, Damaged

MANIFEST = "shipment.json"
FORMAT = 1
_BLOCK_BYTES = 1 << 20
_NAME = r"^[a-z]+/[a-z0-9][a-z0-9._-]*\Z"
"""Names of files lead nowhere but to a folder of the place's."""


class Shipped(Struct, frozen=True, forbid_unknown_fields=True):
    """A file: its name below the place, what it is, how many bytes, and their SHA-256 in hex.

    `lines` are those of the segment that begins with `first_seq`, `columns` are its columnar copy.
    """

    name: Annotated[str, Meta(pattern=_NAME)]
    kind: Literal["lines", "columns", "checkpoint"]
    size: Annotated[int, Meta(ge=0)]
    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    first_seq: Annotated[int, Meta(ge=0)] = 0


class Shipment(Struct, frozen=True, forbid_unknown_fields=True):
    """A manifest: the ledger's id, how many events it had, and the files."""

    format: Annotated[int, Meta(ge=1)]
    ledger: str
    events: Annotated[int, Meta(ge=0)]
    files: tuple[Shipped, ...]


def encode(shipment: Shipment) -> bytes:
    """The manifest as it is written, a file a line."""
    return msgspec.json.format(msgspec.json.encode(shipment), indent=1) + b"\n"


def decode(content: bytes, where: str) -> Shipment:
    """Read a manifest; Damaged where it is none, or of a newer format."""
    try:
        found = msgspec.json.decode(content, type=Shipment)
    except UNREADABLE as error:
        raise Damaged(
            f"{where} is no shipped ledger",
            why=f"its {MANIFEST} cannot be read: {error}",
            hint="once that is removed, `orderledger ship` writes it again",
        ) from None
    if found.format > FORMAT:
        raise Damaged(
            f"{where} was shipped by a newer orderledger",
            why=f"its format is {found.format}, this one knows formats up to {FORMAT}",
            hint="use a newer orderledger",
        )
    return found


def digest(path: Path, size: int) -> str:
    """The SHA-256 of a file's first bytes, in hex; OSError, also when there are fewer."""
    told = sha256()
    with plain.opened(path) as file:
        while size and (block := file.read(min(size, _BLOCK_BYTES))):
            told.update(block)
            size -= len(block)
    if size:
        raise OSError(f"{path} became shorter")
    return told.hexdigest()
