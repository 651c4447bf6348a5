"""`orderledger rebuild`: make the derived files anew."""

import typer

from commands import context


def command(ctx: typer.Context, wait: context.Wait = 10.0) -> None:
    """Throw the derived files away and make them again from the log.

    Example: orderledger rebuild
    """
    context.open_ledger(ctx).rebuild(wait=wait)
    context.say("the derived files are made anew from the log")
