"""One order and what its history adds up to.

`evolve` holds no rule and never refuses, because what is in the log has happened; the rules are in `decide.py`.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from ledger import events as e
from ledger import money
from ledger.lifecycle import TABLE, Cell
from ledger.line import decode, mark_of, mark_of_day

_ROWS: dict[type[e.Event], dict[str, Cell]] = {cls: TABLE[tag] for tag, cls in e.TYPES.items() if tag in TABLE}


def row_of(event: e.Event) -> dict[str, Cell]:
    """Return the event's row of the lifecycle table; each reason of `closed` has its own."""
    row = _ROWS.get(type(event))
    return TABLE[f"closed:{getattr(event, 'reason', None) or 'unknown'}"] if row is None else row


_KEPT_BY_A_RETRACTION = {"order_id", "version", "lines", "unread", "retracted", "fact_ids"}


class Unread(Exception):
    """Lines are asked for of an order that has them not in memory; whoever keeps orders can restore them."""


class Order(Struct, gc=False, array_like=True):
    """Where one order stands. Amounts are minor units of its currency; `version` counts its lines, retracted ones too.

    `base` is the status below the flags `disputed` and `frozen` (domain: lifecycle); `none` is an order nobody placed.
    `lines` are its lines, but for so many `unread` ones at the beginning (`kept.py`); who keeps many orders has them as
    the bytes they are in the log.
    `fact_ids` has the version of each fact_id.
    """

    order_id: str
    version: int = 0
    lines: list[e.Recorded | bytes] = field(default_factory=list)
    unread: int = 0
    retracted: dict[int, e.Recorded] = field(default_factory=dict)
    fact_ids: dict[str, int] = field(default_factory=dict)
    base: str = "none"
    disputed: bool = False
    frozen: bool = False
    seller: str = ""
    title: str | None = None
    currency: str = ""
    amount: int = 0
    paid: int = 0
    to_buyer: int = 0
    to_seller: int = 0
    refunded: int = 0
    delivered: bool = False
    confirmed: bool = False
    cancel_declined: bool = False
    refund_failed: bool = False
    closure_reason: str | None = None
    closed_by: e.Actor | None = None
    closed_at: datetime | None = None
    effective_at: datetime | None = None
    processing_days: int | None = None
    protection_days: int | None = None
    pay_by: datetime | None = None
    verify_by: datetime | None = None
    ship_by: datetime | None = None
    answer_by: datetime | None = None
    protected_until: datetime | None = None
    review_by: datetime | None = None
    refund_by: datetime | None = None
    dispute_until: datetime | None = None
    feedback_until: datetime | None = None

    @property
    def history(self) -> list[e.Recorded]:
        """Every line, oldest first."""
        return [_unpacked(line) for line in self._all()]

    def line(self, version: int) -> e.Recorded:
        """Return one line."""
        return _unpacked(self._all()[version - 1])

    def happened_at(self, instant: datetime) -> list[e.Recorded]:
        """Return the lines of events that happened then, oldest first, without unpacking the others."""
        mark = mark_of(instant)
        found = [_unpacked(line) for line in self._all() if not isinstance(line, bytes) or mark in line]
        return [line for line in found if line.event.occurred_at == instant]

    @property
    def status(self) -> str:
        """The status shown."""
        return "disputed" if self.disputed else "frozen" if self.frozen else self.base

    @property
    def known(self) -> bool:
        """Whether a `placed` is in force."""
        return self.base != "none"

    @property
    def escrow(self) -> int:
        """What the marketplace holds."""
        return self.paid - self.to_buyer - self.to_seller

    @property
    def pending(self) -> int:
        """What is on its way back to the buyer."""
        return self.to_buyer - self.refunded

    @property
    def money_went_to(self) -> str | None:
        """Who got the money: None while the order is open (R18)."""
        if self.status != "closed":
            return None
        if not self.paid:
            return "nobody"
        if self.escrow > 0:
            return "escrow"
        if self.to_buyer > 0 and self.to_seller > 0:
            return "split"
        return "buyer" if self.to_buyer > 0 else "seller"

    def in_force(self) -> list[e.Recorded]:
        """Return the lines that are neither retracted nor a retraction (R23)."""
        if not self.retracted:
            return self.history
        return [r for r in self.history if r.version not in self.retracted and type(r.event) is not e.Retracted]

    def in_force_of(self, kinds: Collection[type[e.Event]], days: Collection[datetime] = ()) -> list[e.Recorded]:
        """Return the lines in force of events of these types, oldest first, without unpacking the others.

        With `days`, those of other days in UTC may be left out.
        """
        lines = _having([b'"type":"%b"' % tag.encode() for tag, kind in e.TYPES.items() if kind in kinds], self._all())
        if days:
            lines = _having([mark_of_day(day) for day in days], lines)
        found = map(_unpacked, lines)
        return [line for line in found if type(line.event) in kinds and line.version not in self.retracted]

    def _all(self) -> list[e.Recorded | bytes]:
        if self.unread:
            raise Unread(self.order_id)
        return self.lines


def _having(marks: Iterable[bytes], lines: list[e.Recorded | bytes]) -> list[e.Recorded | bytes]:
    """Return the packed lines that have one of the marks in them, and those that are not packed."""
    first, *others = dict.fromkeys(marks)
    if not others:  # in an order with very many lines this is what counts
        return [line for line in lines if not isinstance(line, bytes) or first in line]
    return [line for line in lines if not isinstance(line, bytes) or first in line or any(m in line for m in others)]


def _unpacked(line: e.Recorded | bytes) -> e.Recorded:
    return decode(line[:-1]) if isinstance(line, bytes) else line


_FOLDED = [name for name in Order.__struct_fields__ if name not in _KEPT_BY_A_RETRACTION]


def fold(order_id: str, history: Iterable[e.Recorded]) -> Order:
    """Return the order after these lines, oldest first."""
    order = Order(order_id)
    for recorded in history:
        evolve(order, recorded)
    return order


def evolve(order: Order, recorded: e.Recorded) -> Order:
    """Advance the order it is given by one line of its history, and return it."""
    event = recorded.event
    order.version = recorded.version
    order.lines.append(recorded)
    if event.fact_id is not None:
        order.fact_ids.setdefault(event.fact_id, recorded.version)
    if type(event) is e.Retracted:
        order.retracted[event.retracts] = recorded
        _start_over(order)
    else:
        _apply(order, recorded)
    return order


def _start_over(order: Order) -> None:
    """Stand where the events in force lead, as if the others had never been."""
    fresh = Order(order.order_id)
    for name in _FOLDED:
        setattr(order, name, getattr(fresh, name))
    for recorded in order.in_force():
        _apply(order, recorded)


def _apply(order: Order, recorded: e.Recorded) -> None:
    event = recorded.event
    order.effective_at = recorded.effective_at or event.occurred_at
    order.base = row_of(event)[order.base].next
    apply: Callable[[Order, Any], None] | None = _APPLY.get(type(event))
    if apply is not None:
        apply(order, event)


def _placed(order: Order, event: e.Placed) -> None:
    order.seller = event.seller
    order.currency = event.currency
    order.title = event.title
    order.amount = money.minor(event.amount)
    order.processing_days = event.processing_days
    order.protection_days = event.protection_days
    order.pay_by = event.pay_by


def _paid(order: Order, event: e.Paid) -> None:
    order.paid += money.minor(event.amount)
    order.verify_by = event.verify_by or order.verify_by


def _ship_by(order: Order, event: e.Verified | e.ProcessingExtended) -> None:
    order.ship_by = event.ship_by or order.ship_by


def _cancel_requested(order: Order, event: e.CancelRequested) -> None:
    order.answer_by = event.answer_by or order.answer_by


def _cancel_declined(order: Order, event: e.CancelDeclined) -> None:
    order.cancel_declined = True


def _protected_until(order: Order, event: e.Shipped | e.ProtectionExtended) -> None:
    order.protected_until = event.protected_until or order.protected_until


def _delivered(order: Order, event: e.DeliveryScan) -> None:
    order.delivered = True
    order.protected_until = event.protected_until or order.protected_until


def _dispute_opened(order: Order, event: e.DisputeOpened) -> None:
    order.disputed = True


def _dispute_withdrawn(order: Order, event: e.DisputeWithdrawn) -> None:
    order.disputed = False


def _frozen(order: Order, event: e.Frozen) -> None:
    order.frozen = True
    order.review_by = event.review_by or order.review_by


def _unfrozen(order: Order, event: e.Unfrozen) -> None:
    order.frozen = False


Closing = e.Confirmed | e.Closed | e.ClosedBySecurity | e.DisputeResolved


def _closing(order: Order, event: Closing) -> None:
    order.disputed = order.frozen = order.refund_failed = False
    order.confirmed = order.confirmed or type(event) is e.Confirmed
    order.closure_reason = closure_reason(event)
    order.closed_by = event.actor
    order.closed_at = event.occurred_at
    order.dispute_until = event.dispute_until
    order.feedback_until = event.feedback_until
    order.refund_by = None if isinstance(event, e.Confirmed) else event.refund_by
    _move(order, event)


_REASONS = {e.Confirmed: "confirmed", e.ClosedBySecurity: "security", e.DisputeResolved: "dispute-resolved"}


def closure_reason(event: Closing) -> str:
    """Return the closure reason that a closing event gives."""
    if isinstance(event, e.Closed):
        return event.reason or "unknown"
    return _REASONS[type(event)]


def _refunded(order: Order, event: e.Refunded) -> None:
    order.refund_failed = False
    order.refunded += money.minor(event.amount)
    _move(order, event)


def _refund_failed(order: Order, event: e.RefundFailed) -> None:
    order.refund_failed = True


def _move(order: Order, event: Closing | e.Refunded) -> None:
    if not isinstance(event, e.Confirmed) and event.to_buyer is not None:
        order.to_buyer += money.minor(event.to_buyer)
    if not isinstance(event, e.ClosedBySecurity) and event.to_seller is not None:
        order.to_seller += money.minor(event.to_seller)


_APPLY: dict[type[e.Event], Callable[[Order, Any], None]] = {
    e.Placed: _placed,
    e.Paid: _paid,
    e.Verified: _ship_by,
    e.ProcessingExtended: _ship_by,
    e.CancelRequested: _cancel_requested,
    e.CancelDeclined: _cancel_declined,
    e.Shipped: _protected_until,
    e.DeliveryScan: _delivered,
    e.ProtectionExtended: _protected_until,
    e.DisputeOpened: _dispute_opened,
    e.DisputeWithdrawn: _dispute_withdrawn,
    e.Frozen: _frozen,
    e.Unfrozen: _unfrozen,
    e.Confirmed: _closing,
    e.Closed: _closing,
    e.ClosedBySecurity: _closing,
    e.DisputeResolved: _closing,
    e.Refunded: _refunded,
    e.RefundFailed: _refund_failed,
}


def as_believed(
    history: Iterable[e.Recorded], *, as_of: datetime | None = None, known_at: datetime | None = None
) -> list[e.Recorded]:
    """Return the lines recorded by `known_at`, of those the events in force that had happened by `as_of` (R23).

    Without `as_of` retracted events and their retractions are kept, so that a reader can show the pair.
    """
    lines = [line for line in history if known_at is None or line.recorded_at <= known_at]
    if as_of is None:
        return lines
    taken_back = {line.event.retracts for line in lines if isinstance(line.event, e.Retracted)}
    return [
        line
        for line in lines
        if line.version not in taken_back
        and not isinstance(line.event, e.Retracted)
        and (line.effective_at or line.event.occurred_at) <= as_of
    ]
