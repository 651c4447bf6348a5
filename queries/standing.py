"""How an order stands and where its money went: the clauses that a story and an explanation share."""

from datetime import datetime

from ledger.events import CancelAccepted, DisputeResolved
from ledger.order import Order
from ledger.timers import answer
from queries import words


def status_in_words(order: Order) -> str:
    """Say how the order stands, by the status shown."""
    return words.AGREED if order.status == "cancelling" and agreed(order) else words.STATUSES[order.status]


def beneath(order: Order) -> str:
    """Say how the order stands beneath a dispute or freeze, by its base status."""
    return words.AGREED if order.base == "cancelling" and agreed(order) else words.BENEATH[order.base]


def agreed(order: Order) -> bool:
    """Whether the seller has agreed to the last request to cancel."""
    found = answer(order)
    return found is not None and isinstance(found.event, CancelAccepted)


def refund_due(order: Order) -> datetime | None:
    """Return by when what is on its way back should arrive: as the last closing said that sent money back.

    The order's own `refund_by` is that of its last closing, which may have moved other money, or none.
    """
    moved = (line.event for line in reversed(order.in_force()) if getattr(line.event, "to_buyer", None))
    return next((due for event in moved if (due := getattr(event, "refund_by", None))), order.refund_by)


def refund_late(order: Order, now: datetime) -> bool:
    """Whether a refund on its way bounced or is overdue."""
    due = refund_due(order)
    return order.pending > 0 and (order.refund_failed or (due is not None and due < now))


def tone(order: Order, now: datetime) -> str:
    """Name the tone in which is told how the order stands: `late`, `unknown`, `odd`, or whom the money is with."""
    if refund_late(order, now):
        return "late"
    if order.status != "closed":
        return "odd" if order.status in ("disputed", "frozen", "cancelling") else ""
    return "unknown" if order.closure_reason == "unknown" else order.money_went_to or ""


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
    elif (due := refund_due(order)) is None:
        clauses.append(f"{pending} is on its way back to you")
    else:
        when = "overdue since" if due < now else "due by"
        clauses.append(f"{pending} is on its way back to you, {when} {day(due)}")
    return clauses
