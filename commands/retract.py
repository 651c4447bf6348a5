"""`orderledger retract`: take back an order's latest event."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from commands import clock, context
from commands.record import append, fact_of
from ledger.errors import Refused
from ledger.events import Actor, Retracted
from ledger.order import fold

if TYPE_CHECKING:
    from ledger.book import Ledger


def command(
    ctx: typer.Context,
    order_id: context.OrderId,
    why: Annotated[str, typer.Option("--why", help="why it is taken back")],
    at: context.At = "now",
    by: Annotated[Actor | None, typer.Option("--by", help="who takes it back; buyer unless given")] = None,
    allow_odd: Annotated[bool, typer.Option("--allow-odd", help="record it even when it is flagged as odd")] = False,
    wait: context.Wait = 10.0,
    tz: context.Tz = "UTC",
    output: context.PlainOption = None,
) -> None:
    """Take back the order's latest event that is in force; both lines stay in the log (R23).

    Example: orderledger retract 8123456789012345 --why "typed the wrong order"
    """
    retracted_at, twice = clock.read(at, clock.zone(tz), clock.now())
    ledger = context.open_ledger(ctx)
    given = dict.fromkeys(Retracted.__struct_fields__) | {
        "order_id": order_id,
        "occurred_at": clock.text(retracted_at),
        "actor": by,
        "ambiguous_time": twice,
        "retracts": _version(ledger, order_id, retracted_at, why),
        "why": why,
    }
    append(ledger, fact_of(Retracted, given, UTC), allow_odd=allow_odd, wait=wait, output=output)


def _version(ledger: "Ledger", order_id: str, at: datetime, why: str) -> int:
    """Find the version to take back: the latest in force, or the one that this very retraction took back."""
    order = fold(order_id, ledger.history(order_id))
    if not order.history:
        raise Refused("R7", f"unknown order {order_id}: there is nothing to take back", hint="check the order id")
    for line in reversed(order.history):
        event = line.event
        if isinstance(event, Retracted) and event.occurred_at == at and event.why == why:
            return event.retracts
    in_force = order.in_force()
    if not in_force:
        raise Refused(
            "R23",
            f"order {order_id} has nothing to take back",
            why="all of its events are taken back (R23)",
            hint="record what is right: it may be placed anew",
        )
    return in_force[-1].version
