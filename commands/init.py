"""`orderledger init`: make a ledger."""

import secrets
from pathlib import Path
from typing import Annotated

import typer

from commands import clock, context


def command(
    ctx: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", help="the ledger folder itself; else --ledger, $ORDERLEDGER, ./.orderledger"),
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", metavar="NAME", help="whose rules the orders follow")
    ] = "aliexpress",
) -> None:
    """Make a new, empty ledger.

    Example: orderledger init --policy aliexpress
    """
    from ledger.book import Ledger

    path = folder or context.given_path(ctx) or Path(context.FOLDER)
    Ledger.create(path, policy=policy, now=clock.now(), ledger_id=secrets.token_hex(16))
    context.say(f"new ledger in {path}")
