"""`orderledger repair`: cut a damaged end off the log."""

import typer

from commands import context


def command(ctx: typer.Context, wait: context.Wait = 10.0) -> None:
    """Move everything from the first bad line of the last segment to rejects/, and say what was moved.

    Refused when a published checkpoint covers it.

    Example: orderledger repair
    """
    context.say(context.open_ledger(ctx).repair(wait=wait))
