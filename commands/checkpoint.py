"""`orderledger checkpoint`: publish the head of the log's tree."""

import typer

from commands import context, publishing


def command(ctx: typer.Context, key: publishing.KeyOption = None, wait: context.Wait = 10.0) -> None:
    """Publish the head of the log: one hash over every line, to be kept by somebody else.

    It is printed and kept in checkpoints/; a log that contradicts an earlier one is exit 5, and nothing is published.

    Example: orderledger checkpoint --key orderledger.key > 2026-06.checkpoint
    """
    signer = publishing.signer(key)
    with publishing.published(ctx) as published:
        checkpoint = published.publish(wait=wait, signer=signer)
    typer.echo(checkpoint.text, nl=False)
