"""`orderledger show`: one order's story."""

import json
from typing import TYPE_CHECKING, Any

import msgspec
import typer

from commands import clock, context, output, render

if TYPE_CHECKING:
    from ledger.events import Recorded
    from ledger.order import Order
    from ledger.timers import Timer


def command(
    ctx: typer.Context,
    order_id: context.OrderId,
    output_: context.PlainOption = None,
    to: context.ToOption = None,
    as_of: context.AsOf = None,
    known_at: context.KnownAt = None,
    now: context.Now = None,
    tz: context.Tz = "UTC",
    no_color: context.NoColor = False,
) -> None:
    """Tell an order's story: how it stands, where its money is, what runs out when, and what happened.

    Example: orderledger show 8123456789012345
    """
    from commands.story import tell
    from ledger.timers import timers

    zone = clock.zone(tz)
    target = output.choose(output_, to, pipe="table", no_color=no_color, tz=zone, only="table json jsonl")
    moment = context.moment(now=now, as_of=as_of, known_at=known_at, tz=zone)
    with context.believed_order(ctx, order_id, moment) as (order, _):
        running = timers(order, moment.now)
        if target.format == "table":
            render.text(target, tell(target, order, order.history, running, moment.now))
        else:
            render.record(target, as_data(order, running))


def as_data(order: "Order", timers: "list[Timer]") -> dict[str, Any]:
    """Give the story as the values that `-o json` prints."""
    closure = {"reason": order.closure_reason, "by": order.closed_by, "at": order.closed_at}
    return {
        "order_id": order.order_id,
        "status": order.status,
        "version": order.version,
        "closure": closure if order.closure_reason else None,
        "money": money_as_data(order),
        "timers": [timer._asdict() for timer in timers],
        "events": [line_as_data(line) for line in order.history],
    }


def money_as_data(order: "Order") -> dict[str, Any]:
    """Give the places of an order's money as values."""
    from ledger.money import EXPONENTS, plain

    def text(minor: int) -> str:
        return plain(minor, EXPONENTS.get(order.currency, 2))

    return {
        "currency": order.currency or None,
        "paid": text(order.paid),
        "escrow": text(order.escrow),
        "to_seller": text(order.to_seller),
        "to_buyer": text(order.to_buyer),
        "refund_pending": text(order.pending),
        "refunded": text(order.refunded),
        "money_went_to": order.money_went_to,
    }


def line_as_data(line: "Recorded") -> Any:
    """Give a line of the log as values."""
    from ledger.line import encode

    return json.loads(encode(msgspec.structs.replace(line, crc="")))
