"""What the verbs about checkpoints and proofs share: a ledger's checkpoints, keys, and texts that came from outside."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import context
from ledger.errors import BadInput

if TYPE_CHECKING:
    from ledger.published import Published
    from ledger.signing import Signer

STDIN = "-"

TEXT_BYTES_MAX = 16 << 20
"""More than a proof of the longest line takes."""

KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="sign the checkpoint with the key that `keygen` made")
]


@contextmanager
def published(ctx: typer.Context) -> Iterator["Published"]:
    """Open the ledger meant for its checkpoints; what was repaired on the way is warned of at the end."""
    from ledger.published import Published

    ledger = context.open_ledger(ctx)
    try:
        yield Published(ledger.store, ledger.config.id)
    finally:
        ledger.warnings += ledger.store.repaired


def signer(path: Path | None) -> "Signer | None":
    """Read the private key in a file; BadInput when it is none, or when others may read it."""
    from ledger.signing import read_signer

    if path is None:
        return None
    text = read(str(path))
    if str(path) != STDIN and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise BadInput(
            f"{path} can be read by others", why="what they sign cannot be told from yours", hint=f"chmod 600 {path}"
        )
    return read_signer(text.decode("utf-8", "replace").removesuffix("\n"), str(path))


def read(name: str) -> bytes:
    """Read a small file, or stdin for `-`; BadInput when it cannot be read or is not small."""
    try:
        with open(0 if name == STDIN else name, "rb", closefd=name != STDIN) as stream:
            text = stream.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise BadInput(f"cannot read {name}", why=error.strerror or str(error)) from None
    if len(text) > TEXT_BYTES_MAX:
        raise BadInput(f"{name} is neither key, checkpoint nor proof", why="none of them is so long")
    return text
