"""`orderledger prove`: a proof that a line is in the log."""

from pathlib import Path
from typing import Annotated

import typer

from commands import context, output, publishing
from ledger.errors import Usage


def command(
    ctx: typer.Context,
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=1, help="the seq of the line; `log` and `why` name it")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="write the proof to FILE")] = None,
    checkpoint: Annotated[
        Path | None,
        typer.Option("--checkpoint", metavar="FILE", help="prove it under this checkpoint; else under a new one"),
    ] = None,
    key: publishing.KeyOption = None,
    wait: context.Wait = 10.0,
) -> None:
    """Prove that a line is in the log, to somebody who has no ledger; the proof holds the line itself.

    Without --checkpoint the head of the log is published, as by `checkpoint`, and the proof leads to that.

    Example: orderledger prove 17 --to order.tlog-proof
    """
    from ledger import checkpoint as c

    if checkpoint is not None and key is not None:
        raise Usage("--key does not go with --checkpoint", why="a checkpoint from outside bears the signatures it has")
    target = output.Target("text", None if to is None else output.not_a_ledgers_own(to))
    signer = publishing.signer(key)
    outside = None if checkpoint is None else c.parse(publishing.read(str(checkpoint)), str(checkpoint))
    with publishing.published(ctx) as published:
        if outside is None:
            proof = published.prove(seq, wait=wait, signer=signer)
        else:
            proof = published.prove_under(seq, outside, wait=wait)
    with output.opened(target) as writer:
        writer.write(proof.text)
