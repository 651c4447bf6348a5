"""What runs out when: the timers of an order, from the due dates its events carry."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from ledger import events as e
from ledger.order import Order


class Kind(NamedTuple):
    """A timer's rule: the events that meet it, and what happens when it runs out."""

    name: str
    met_by: tuple[type[e.Event], ...]
    consequence: str


WHILE_OPEN = (
    Kind("pay_by", (e.Paid,), "closed: payment-timeout"),
    Kind("verify_by", (e.Verified,), "the payment is late to be verified"),
    Kind("ship_by", (e.Shipped,), "closed: not-shipped, refund"),
    Kind("answer_by", (e.CancelAccepted, e.CancelDeclined, e.Shipped), "closed: cancelled, refund"),
    Kind("protected_until", (), "closed: protection-expired, the seller is paid"),
    Kind("review_by", (e.Unfrozen,), "unfrozen, or closed with a refund"),
)
"""Timers that bite while the order is open; a closing meets each of them."""

AFTER_CLOSING = (
    Kind("refund_by", (), "an overdue refund"),
    Kind("dispute_until", (e.DisputeOpened,), "no dispute any more"),
    Kind("feedback_until", (e.FeedbackLeft,), "no feedback any more"),
)
"""Timers that a closing starts."""


class Timer(NamedTuple):
    """A timer of an order: what started it, when it is due, when what it waited for came, whether it still counts."""

    timer: str
    started_by: str
    started_at: datetime
    due_at: datetime
    met_at: datetime | None
    running: bool
    consequence: str


def timers(order: Order, now: datetime) -> list[Timer]:
    """Return every timer that was set, the current one of its kind, in the order of an order's life."""
    in_force = order.in_force()
    closings = [recorded for recorded in in_force if type(recorded.event).closing]
    found = [_while_open(order, kind, in_force) for kind in WHILE_OPEN]
    if closings:
        found += [_after_closing(order, kind, closings[-1], in_force, now) for kind in AFTER_CLOSING]
    return [timer for timer in found if timer is not None]


def _while_open(order: Order, kind: Kind, in_force: list[e.Recorded]) -> Timer | None:
    started = next((r for r in reversed(in_force) if getattr(r.event, kind.name, None) is not None), None)
    if started is None:
        return None
    met_at = _first_after(started, in_force, lambda event: type(event).closing or isinstance(event, kind.met_by))
    return _timer(kind, started, met_at, running=met_at is None and order.base != "closed")


def _after_closing(
    order: Order, kind: Kind, closing: e.Recorded, in_force: list[e.Recorded], now: datetime
) -> Timer | None:
    due_at: datetime | None = getattr(closing.event, kind.name, None)
    if due_at is None:
        return None
    if kind.name == "refund_by":
        met_at = _arrived_at(order, closing, in_force)
        return _timer(kind, closing, met_at, running=order.pending > 0)
    met_at = _first_after(closing, in_force, lambda event: isinstance(event, kind.met_by))
    return _timer(kind, closing, met_at, running=met_at is None and due_at >= now)


def _first_after(started: e.Recorded, in_force: list[e.Recorded], meets: Callable[[e.Event], bool]) -> datetime | None:
    """Return when the first event came that meets a timer: recorded after it, or late but not earlier than it."""
    for recorded in in_force:
        later = recorded.version > started.version or (
            recorded.version != started.version and recorded.event.occurred_at >= started.event.occurred_at
        )
        if later and meets(recorded.event):
            return recorded.event.occurred_at
    return None


def _arrived_at(order: Order, closing: e.Recorded, in_force: list[e.Recorded]) -> datetime | None:
    """Return when the last part of the refund arrived, or None while something is on its way."""
    if order.pending > 0:
        return None
    after = [line.event for line in in_force if line.version > closing.version]
    arrivals = [event.occurred_at for event in after if isinstance(event, e.Refunded)]
    return arrivals[-1] if arrivals else None


def _timer(kind: Kind, started: e.Recorded, met_at: datetime | None, *, running: bool) -> Timer:
    return Timer(
        kind.name,
        str(type(started.event).__struct_config__.tag),
        started.event.occurred_at,
        getattr(started.event, kind.name),
        met_at,
        running,
        kind.consequence,
    )
