"""How an order stands and where its money went: the clauses that a story and an explanation share."""

from datetime import datetime

from ledger.events import DisputeResolved
from ledger.order import Order
from queries import words


def closed_how(order: Order) -> str:
    """Say who closed the order and why; of a dispute also who won."""
    closer = words.ACTORS.get(order.closed_by or "", "somebody")
    last = next(line.event for line in reversed(order.in_force()) if type(line.event).closing)
    outcome = f": {words.CHOICES[last.outcome]}" if isinstance(last, DisputeResolved) else ""
    return f"{closer} {words.CLOSURES[order.closure_reason or 'unknown']}{outcome}"


def whereabouts(order: Order, now: datetime, day: words.Day) -> list[str]:
    """Say where the money went, one clause for each place that has some."""
    if not order.paid and not order.to_buyer:
        return ["nothing had been paid"] if order.status == "closed" else []
    clauses = _way_back(order, now, day)
    if order.to_seller:
        clauses.append(f"{words.amount(order.to_seller, order.currency)} went to the seller")
    if order.escrow:
        unknown = order.status == "closed" and order.closure_reason == "unknown"
        nobody = ", and nobody has said where it goes; you may open a dispute" if unknown else ""
        held = words.amount(order.escrow, order.currency)
        clauses.append(f"{held} is{' still' if unknown else ''} held in escrow{nobody}")
    return clauses


def _way_back(order: Order, now: datetime, day: words.Day) -> list[str]:
    """Say what of the buyer's money came back, and what of it is on its way, failed or late."""
    back = words.amount(order.refunded, order.currency)
    clauses = [f"{back} went back to you and has arrived"] if order.refunded else []
    if order.pending <= 0:
        return clauses
    pending = words.amount(order.pending, order.currency)
    if order.refund_failed:
        clauses.append(f"a refund of {pending} bounced and is still owed to you")
    elif order.refund_by is None:
        clauses.append(f"{pending} is on its way back to you")
    else:
        due = "overdue since" if order.refund_by < now else "due by"
        clauses.append(f"{pending} is on its way back to you, {due} {day(order.refund_by)}")
    return clauses
