"""`orderledger rebuild`: make the derived files anew."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from commands import context

if TYPE_CHECKING:
    from ledger.book import Ledger


def command(ctx: typer.Context, wait: context.Wait = 10.0) -> None:
    """Throw the derived files away and make them again from the log.

    Example: orderledger rebuild
    """
    ledger = context.open_ledger(ctx)
    ledger.rebuild(wait=wait)
    _copy_segments(ledger)
    context.say("the derived files are made anew from the log")


def _copy_segments(ledger: "Ledger") -> None:
    """Make the columnar copies of sealed segments and the projections, so that the next question need not."""
    snapshot = ledger.store.snapshot()
    if not snapshot.sealed:
        return  # the usual ledger: DuckDB is not even loaded
    from queries import columnar, projections, relations

    cache = ledger.path / "cache"
    with tempfile.TemporaryDirectory(prefix="orderledger-") as folder:
        spill = Path(folder)
        copies = columnar.complete(cache, snapshot, spill=spill, memory=context.MEMORY)
        if projections.worthwhile(copies, snapshot):
            for name in relations.PROJECTED:
                projections.bring_up(cache, name, copies, spill=spill, memory=context.MEMORY)
