"""The relations that the audits ask, row by row: each row has its relation's columns, or those that are asked for."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from tests.auditing.book import Book, Line, Order, grouped, sum_of


class Step(NamedTuple):
    """A change of the status shown."""

    order_id: str
    from_status: str
    to_status: str
    entered_at: datetime
    left_at: datetime | None
    seconds: int | None


class Timer(NamedTuple):
    """A timer that is set."""

    order_id: str
    timer: str
    started_by: str
    started_at: datetime
    due_at: datetime
    met_at: datetime | None
    running: bool
    consequence: str


class Parcel(NamedTuple):
    """A tracking number that an order names."""

    tracking: str
    order_id: str
    carrier: str | None
    shipped_at: datetime | None
    last_checkpoint: str | None
    last_place: str | None
    last_scan_at: datetime | None
    delivered_at: datetime | None


class Number(NamedTuple):
    """An order's number."""

    order_id: str
    marketplace: str | None
    number: str


class Seller(NamedTuple):
    """A seller with the orders placed there."""

    seller: str
    orders: int
    closed: int
    refunded_orders: int
    disputes: int
    security_closures: int
    late_shipments: int
    not_shipped: int


class Oddity(NamedTuple):
    """A flag of an event."""

    seq: int
    order_id: str
    type: str
    occurred_at: datetime
    flag: str


class Leg(NamedTuple):
    """A leg of a movement of money."""

    occurred_at: datetime
    type: str
    account: str
    amount: Decimal
    currency: str


class Closure(NamedTuple):
    """A closing of an order with what it moved, up to the next one."""

    line: Line
    order: Order
    closed_at: datetime
    delivered: bool
    to_buyer: Decimal
    to_seller: Decimal

    @property
    def money_went_to(self) -> str:
        """Who got the money by this closing."""
        match self.to_buyer > 0, self.to_seller > 0:
            case True, True:
                return "split"
            case True, False:
                return "buyer"
            case False, True:
                return "seller"
        return "escrow" if self.order.escrow > 0 else "nobody"


def steps(book: Book) -> list[Step]:
    """Every change of every order's status shown."""
    return [step for order in book.orders for step in steps_of(order)]


def steps_of(order: Order) -> list[Step]:
    """An order's changes of status, in the order of its versions."""
    shown = [("none", datetime.min), *((line.status, line.effective_at) for line in order.lines)]
    changes = [(before, status, at) for (before, _), (status, at) in pairwise(shown) if status != before]
    ends = [at for _, _, at in changes[1:]]
    return [
        Step(order.order_id, before, status, at, left_at, (left_at - at) // timedelta(seconds=1) if left_at else None)
        for (before, status, at), left_at in zip(changes, [*ends, None], strict=True)
    ]


# Domain, section 5: what each timer waits for. A closing meets the first six, and starts the others.

WHILE_OPEN = {
    "pay_by": {"paid"},
    "verify_by": {"verified"},
    "ship_by": {"shipped"},
    "answer_by": {"cancel-accepted", "cancel-declined", "shipped"},
    "protected_until": set(),
    "review_by": {"unfrozen"},
}
AFTER_CLOSING = {"dispute_until": {"dispute-opened"}, "feedback_until": {"feedback-left"}}


def timers(book: Book) -> list[Timer]:
    """Every timer that is set, whether it runs or not."""
    names = (*WHILE_OPEN, "refund_by", *AFTER_CLOSING)
    return [timer for order in book.orders for name in names for timer in _timer(book, order, name)]


def _timer(book: Book, order: Order, name: str) -> Iterator[Timer]:
    started = order.setting(name)
    if started is None:
        return
    due_at = started.when(name)
    assert due_at is not None
    if name in WHILE_OPEN:
        met_at = _met(order, started, WHILE_OPEN[name], or_closed=True)
        running = met_at is None and order.closing is None
    elif name in AFTER_CLOSING:
        met_at = _met(order, started, AFTER_CLOSING[name])
        running = met_at is None and due_at >= book.now
    else:
        running = order.pending > 0
        arrivals = [line.occurred_at for line in order.of("refunded") if line.version > started.version]
        met_at = arrivals[-1] if arrivals and not running else None
    held = name == "protected_until" and order.status in ("disputed", "frozen")
    consequence = book.words(name, held)
    yield Timer(
        order.order_id,
        name,
        started.type,
        started.occurred_at,
        due_at,
        met_at,
        running=running,
        consequence=consequence,
    )


def _met(order: Order, started: Line, by: set[str], *, or_closed: bool = False) -> datetime | None:
    """When the first event by version came that meets a timer: one after it, or one told before it but no earlier."""
    for line in order.lines:
        waited_for = line.type in by or (or_closed and line.closing)
        after = line.version > started.version or line.occurred_at >= started.occurred_at
        if waited_for and after and line is not started:
            return line.occurred_at
    return None


def parcels(book: Book) -> list[Parcel]:
    """Every tracking number of every order, shipped, scanned, or only claimed."""
    return [parcel for order in book.orders for parcel in _parcels_of(order)]


def _parcels_of(order: Order) -> Iterator[Parcel]:
    sent = {line.get("tracking") for line in order.of("shipped")} - {None}
    only = next(iter(sent)) if len(sent) == 1 else None
    named = order.of("shipped", "scanned", "delivered-scan", "cancel-declined")
    for number in sorted({line.get("tracking") for line in named} - {None}):
        shipped = [line for line in order.of("shipped") if line.get("tracking") == number]
        scans = [
            line
            for line in order.of("scanned", "delivered-scan")
            if number == (only if line.get("tracking") is None else line.get("tracking"))
        ]
        carriers = [line.get("carrier") for line in shipped if line.get("carrier") is not None]
        last = max(scans, key=lambda line: (line.occurred_at, line.version), default=None)
        yield Parcel(
            number,
            order.order_id,
            carriers[-1] if carriers else None,
            min((line.occurred_at for line in shipped), default=None),
            _checkpoint(last) if last else None,
            last.get("place") if last else None,
            last.occurred_at if last else None,
            min((line.occurred_at for line in scans if line.type == "delivered-scan"), default=None),
        )


def _checkpoint(scan: Line) -> str:
    return "delivered" if scan.type == "delivered-scan" else str(scan.get("checkpoint"))


def sellers(book: Book) -> list[Seller]:
    """Every seller, with the orders that are so and so."""
    by_seller = grouped((order.seller, order) for order in book.orders)
    return [
        Seller(
            seller,
            len(orders),
            sum(order.status == "closed" for order in orders),
            sum(order.to_buyer > 0 for order in orders),
            sum(bool(order.of("dispute-opened")) for order in orders),
            sum(line.reason == "security" for order in orders for line in order.closings),
            sum(order.late for order in orders),
            sum(order.reason == "not-shipped" for order in orders),
        )
        for seller, orders in sorted(by_seller.items())
    ]


def oddities(book: Book) -> list[Oddity]:
    """Every flag of every event."""
    return [
        Oddity(line.seq, order.order_id, line.type, line.occurred_at, flag)
        for order in book.orders
        for line in order.lines
        for flag in line.odd
    ]


def numbers(book: Book) -> list[Number]:
    """What the marketplace calls each order, which is what its only ledger calls it."""
    return [Number(order.order_id, order.lines[0].get("marketplace"), order.order_id) for order in book.orders]


def postings(book: Book) -> list[Leg]:
    """Every leg that moves something (domain, section 4)."""
    return [
        Leg(line.occurred_at, line.type, account, amount, order.currency)
        for order in book.orders
        for line in order.lines
        for account, amount in _legs(line)
        if amount
    ]


def _legs(line: Line) -> list[tuple[str, Decimal]]:
    to_seller, to_buyer, amount = (line.money(name) for name in ("to_seller", "to_buyer", "amount"))
    legs = [("escrow", -(to_seller + to_buyer)), ("seller", to_seller), ("refunds", to_buyer)]
    if line.type == "paid":
        return [*legs, ("buyer", -amount), ("escrow", amount)]
    if line.type == "refunded":
        return [*legs, ("refunds", -amount), ("buyer", amount)]
    return legs


def closures(book: Book) -> list[Closure]:
    """Every closing, by when it happened."""
    found = [closure for order in book.orders for closure in _closures_of(order)]
    return sorted(found, key=lambda closure: (closure.closed_at, closure.line.seq))


def _closures_of(order: Order) -> Iterator[Closure]:
    begins = [order.lines.index(line) for line in order.closings]
    for begin, end in pairwise([*begins, len(order.lines)]):
        line, part = order.lines[begin], order.lines[begin:end]
        yield Closure(
            line,
            order,
            line.occurred_at,
            any(scan.occurred_at <= line.occurred_at for scan in order.of("delivered-scan")),
            sum_of(part, "to_buyer"),
            sum_of(part, "to_seller"),
        )
