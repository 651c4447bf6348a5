"""What runs out when: the timers of an order, from the due dates its events carry."""

from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from ledger import events as e
from ledger.order import Order, fold, row_of
from ledger.same import already_recorded


class Kind(NamedTuple):
    """A timer: the events that meet it, what happens when it runs out, and the rule by which it matters.

    `closes` is the closure reason recorded then (R21); `held` is the consequence instead while the order is disputed or
    frozen (R19). Both consequences are what the relation `timers` shows; a reader's words are in queries/words.py.
    """

    name: str
    met_by: tuple[type[e.Event], ...]
    consequence: str
    rule: str
    closes: str | None = None
    held: str | None = None


WHILE_OPEN = (
    Kind("pay_by", (e.Paid,), "closed: payment-timeout", "R15", closes="payment-timeout"),
    Kind("verify_by", (e.Verified,), "the payment is late to be verified", "L"),
    Kind("ship_by", (e.Shipped,), "closed: not-shipped, refund", "R15", closes="not-shipped"),
    Kind(
        "answer_by",
        (e.CancelAccepted, e.CancelDeclined, e.Shipped),
        "closed: cancelled, refund",
        "R15",
        closes="cancelled",
    ),
    Kind(
        "protected_until",
        (),
        "closed: protection-expired, the seller is paid",
        "R15",
        closes="protection-expired",
        held="held by the dispute or freeze",
    ),
    Kind("review_by", (e.Unfrozen,), "unfrozen, or closed with a refund", "R19"),
)
"""Timers that bite while the order is open; a closing meets each of them."""

AFTER_CLOSING = (
    Kind("refund_by", (), "an overdue refund", "R15"),
    Kind("dispute_until", (e.DisputeOpened,), "no dispute any more", "R12"),
    Kind("feedback_until", (e.FeedbackLeft,), "no feedback any more", "L"),
)
"""Timers that a closing starts."""

KINDS = (*WHILE_OPEN, *AFTER_CLOSING)
"""Every timer, in the order of an order's life."""

BY_NAME = {kind.name: kind for kind in KINDS}
"""Every timer by its name."""

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


class Setting(NamedTuple):
    """One setting of a timer: the line that set it, and the line that met it, if there is one."""

    kind: Kind
    started: e.Recorded
    met: e.Recorded | None

    @property
    def due_at(self) -> datetime:
        """When it runs out, or ran out."""
        due_at: datetime = getattr(self.started.event, self.kind.name)
        return due_at


def timers(order: Order, now: datetime) -> list[Timer]:
    """Return every timer that was set, the current one of its kind, in the order of an order's life."""
    in_force = order.in_force()
    closing = next((line for line in reversed(in_force) if type(line.event).closing), None)
    found = [_while_open(order, setting) for kind in WHILE_OPEN if (setting := last_setting(kind, in_force))]
    if closing is not None:
        current = [last_setting(kind, in_force) for kind in AFTER_CLOSING]
        found += [_after_closing(order, setting, now) for setting in current if setting and setting.started is closing]
    return found


def settings(kind: Kind, in_force: list[e.Recorded]) -> list[Setting]:
    """Return every setting of a timer, oldest first, each with what met it, among an order's lines in force.

    What meets it is the first of the events it waits for that was recorded after it, or before it but did not happen
    earlier; of `refund_by` the last refund until it was set anew, if nothing was on its way then.
    """
    starts = [line for line in in_force if getattr(line.event, kind.name, None) is not None]
    if kind.name == "refund_by":
        ends = zip(starts, [*starts[1:], None], strict=False)  # without any start there is only None
        return [Setting(kind, start, _arrival(start, end, in_force)) for start, end in ends]
    meetings = _meetings(kind, in_force)
    return [Setting(kind, start, _first_after(start, meetings)) for start in starts]


def last_setting(kind: Kind, in_force: list[e.Recorded]) -> Setting | None:
    """Return the setting of a timer that counts, the last one."""
    started = next((line for line in reversed(in_force) if getattr(line.event, kind.name, None) is not None), None)
    if started is None:
        return None
    if kind.name == "refund_by":
        return Setting(kind, started, _arrival(started, None, in_force))
    return Setting(kind, started, _first_after(started, _meetings(kind, in_force)))


def answer(order: Order) -> e.Recorded | None:
    """Return the seller's answer to the last request to cancel; shipping is one too."""
    setting = last_setting(BY_NAME["answer_by"], order.in_force())
    return None if setting is None or setting.met is None or type(setting.met.event).closing else setting.met


def come_due(order: Order, now: datetime) -> e.Closed | None:
    """Return the closing that has come due, the earliest: nothing closes by itself in the ledger (R21).

    A dispute or freeze holds it off. One that the lifecycle refuses or flags, or that was recorded and taken back, is
    none; nor is a late shipment of what the seller has agreed to cancel.
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
    if fact.reason == "not-shipped" and _is_agreed(order):
        return False
    return row_of(fact)[order.base].verdict == "ok" and already_recorded(order, fact) is None


def _is_agreed(order: Order) -> bool:
    """Tell whether the seller has agreed to the last request to cancel."""
    given = answer(order) if order.base == "cancelling" else None
    return given is not None and isinstance(given.event, e.CancelAccepted)


def _while_open(order: Order, setting: Setting) -> Timer:
    timer = _timer(setting, running=setting.met is None and order.base != "closed")
    held = setting.kind.held if order.disputed or order.frozen else None
    return timer if held is None else timer._replace(consequence=held)


def _after_closing(order: Order, setting: Setting, now: datetime) -> Timer:
    if setting.kind.name == "refund_by":
        return _timer(setting, running=order.pending > 0)
    return _timer(setting, running=setting.met is None and setting.due_at >= now)


def _meetings(kind: Kind, in_force: list[e.Recorded]) -> list[e.Recorded]:
    """Return the lines that can meet a timer; a closing meets each of those that run while the order is open."""
    closes = kind in WHILE_OPEN
    return [line for line in in_force if isinstance(line.event, kind.met_by) or (closes and type(line.event).closing)]


def _first_after(started: e.Recorded, meetings: list[e.Recorded]) -> e.Recorded | None:
    """Return the first line that meets a timer: recorded after it, or before it but of something not earlier."""
    for line in meetings:
        not_earlier = line.version != started.version and line.event.occurred_at >= started.event.occurred_at
        if line.version > started.version or not_earlier:
            return line
    return None


def _arrival(closing: e.Recorded, until: e.Recorded | None, in_force: list[e.Recorded]) -> e.Recorded | None:
    """Return the last refund between two closings, or None while something was on its way at the end."""
    before = [line for line in in_force if until is None or line.version < until.version]
    if fold(closing.event.order_id, before).pending > 0:
        return None
    arrivals = [line for line in before if line.version > closing.version and isinstance(line.event, e.Refunded)]
    return arrivals[-1] if arrivals else None


def _timer(setting: Setting, *, running: bool) -> Timer:
    started, met, kind = setting.started, setting.met, setting.kind
    return Timer(
        kind.name,
        e.tag_of(started.event),
        started.event.occurred_at,
        setting.due_at,
        met.event.occurred_at if met else None,
        running,
        kind.consequence,
    )
