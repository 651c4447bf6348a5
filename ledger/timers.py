"""What runs out when: the timers of an order, from the due dates its events carry."""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from ledger import events as e
from ledger.order import Order, row_of
from ledger.same import already_recorded


class Kind(NamedTuple):
    """A timer's rule: the events that meet it, and what happens when it runs out.

    `closes` is the closure reason recorded then (R21); `held` is the consequence instead while the order is disputed or
    frozen (R19).
    """

    name: str
    met_by: tuple[type[e.Event], ...]
    consequence: str
    closes: str | None = None
    held: str | None = None


WHILE_OPEN = (
    Kind("pay_by", (e.Paid,), "closed: payment-timeout", closes="payment-timeout"),
    Kind("verify_by", (e.Verified,), "the payment is late to be verified"),
    Kind("ship_by", (e.Shipped,), "closed: not-shipped, refund", closes="not-shipped"),
    Kind(
        "answer_by",
        (e.CancelAccepted, e.CancelDeclined, e.Shipped),
        "closed: cancelled, refund",
        closes="cancelled",
    ),
    Kind(
        "protected_until",
        (),
        "closed: protection-expired, the seller is paid",
        closes="protection-expired",
        held="held by the dispute or freeze",
    ),
    Kind("review_by", (e.Unfrozen,), "unfrozen, or closed with a refund"),
)
"""Timers that bite while the order is open; a closing meets each of them."""

AFTER_CLOSING = (
    Kind("refund_by", (), "an overdue refund"),
    Kind("dispute_until", (e.DisputeOpened,), "no dispute any more"),
    Kind("feedback_until", (e.FeedbackLeft,), "no feedback any more"),
)
"""Timers that a closing starts."""

KINDS = (*WHILE_OPEN, *AFTER_CLOSING)
"""Every timer, in the order of an order's life."""

CLOSES = {kind.name: kind.closes for kind in KINDS if kind.closes}
"""The closure reason to be recorded when a timer has run out, where there is one (R21)."""


def ended_by(kind: Kind) -> list[str]:
    """Name the event types that meet a timer; a closing meets each of those that run while the order is open."""
    ends = [tag for tag, event in e.TYPES.items() if issubclass(event, kind.met_by)]
    closings = [tag for tag, event in e.TYPES.items() if event.closing] if kind in WHILE_OPEN else []
    return list(dict.fromkeys([*ends, *closings]))


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


def come_due(order: Order, now: datetime) -> e.Closed | None:
    """Return the closing that has come due, the earliest: nothing closes by itself in the ledger (R21).

    A dispute or freeze holds it off. One that the lifecycle refuses, or that was recorded and taken back, is none.
    """
    if order.disputed or order.frozen:
        return None
    passed = [timer for timer in timers(order, now) if timer.running and timer.due_at < now]
    passed.sort(key=attrgetter("due_at"))
    facts = (_closing_of(order, timer) for timer in passed if timer.timer in CLOSES)
    return next((fact for fact in facts if _may_close(order, fact)), None)


def _closing_of(order: Order, timer: Timer) -> e.Closed:
    reason: Any = CLOSES[timer.timer]  # one of the reasons that `closed` has
    return e.Closed(order_id=order.order_id, occurred_at=timer.due_at, reason=reason)


def _may_close(order: Order, fact: e.Closed) -> bool:
    return row_of(fact)[order.base].verdict != "no" and already_recorded(order, fact) is None


def _while_open(order: Order, kind: Kind, in_force: list[e.Recorded]) -> Timer | None:
    started = next((r for r in reversed(in_force) if getattr(r.event, kind.name, None) is not None), None)
    if started is None:
        return None
    met_at = _first_after(started, in_force, lambda event: type(event).closing or isinstance(event, kind.met_by))
    timer = _timer(kind, started, met_at, running=met_at is None and order.base != "closed")
    held = kind.held if order.disputed or order.frozen else None
    return timer if held is None else timer._replace(consequence=held)


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
