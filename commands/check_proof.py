"""`orderledger check-proof`: check a proof that somebody gave you; no ledger is needed."""

from pathlib import Path
from typing import Annotated

import typer

from commands import context, publishing

ALONE = "only the proof itself was checked; whose log it is of, --checkpoint or --public-key has to say"
"""What is said when nothing from outside was given."""


def command(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="the proof; - reads it from stdin")],
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="the checkpoint that you have from elsewhere"),
    ] = None,
    public_key: Annotated[
        str | None,
        typer.Option("--public-key", metavar="KEY", help="the key that has to have signed the checkpoint"),
    ] = None,
) -> None:
    """Check that a line is in a ledger's log, without the ledger, and print the line.

    Give the checkpoint or the public key that you have from elsewhere: a proof alone can be made up by anybody.

    Example: orderledger check-proof order.tlog-proof --checkpoint 2026-06.checkpoint
    """
    from ledger import checkpoint as c
    from ledger import proof as p
    from ledger.signing import read_verifier

    key = None if public_key is None else read_verifier(public_key)
    outside = None if checkpoint is None else c.parse(publishing.read(str(checkpoint)), str(checkpoint))
    proof = p.parse(publishing.read(file), "the proof on stdin" if file == publishing.STDIN else file)
    p.check(proof, outside=outside, key=key)
    context.say_json(proof.line)
    if outside is None and key is None:
        context.say(f"warning: {ALONE}", err=True)
