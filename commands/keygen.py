"""`orderledger keygen`: make the key that signs a ledger's checkpoints."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from commands import context, output
from ledger.errors import StorageFailed, Usage


def command(
    ctx: typer.Context,
    to: Annotated[
        Path, typer.Option("--to", metavar="FILE", help="where to keep the private key; never overwritten")
    ] = Path("orderledger.key"),
) -> None:
    """Make a private key for this ledger's checkpoints, and print the public one.

    Keep the private key away from the ledger; give the public one to whoever shall check proofs.

    Example: orderledger keygen --to orderledger.key
    """
    from ledger.checkpoint import origin_of
    from ledger.signing import Signer

    signer = Signer(origin_of(context.open_ledger(ctx).config.id), secrets.token_bytes(32))
    _write_new(output.not_a_ledgers_own(to), f"{signer.text}\n".encode())
    context.say(signer.verifier.text)


def _write_new(path: Path, text: bytes) -> None:
    """Write a file that nobody else can read, whole or not at all."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(descriptor)
        except OSError:
            path.unlink()
            raise
    except FileExistsError:
        raise Usage(
            f"{path} is there already",
            why="a key that is overwritten is lost",
            hint="name another file with --to",
        ) from None
    except OSError as error:
        raise StorageFailed(f"cannot write {path}", why=error.strerror or "", hint="name another place") from error
