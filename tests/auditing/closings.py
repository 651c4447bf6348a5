"""The audits of closings and of money; `since` leaves out what closed before it."""

from datetime import datetime
from decimal import Decimal

from tests.auditing.book import Book, Row, grouped
from tests.auditing.relations import Closure, closures, postings, sellers, timers


def _since(book: Book, since: datetime | None) -> list[Closure]:
    return [closure for closure in closures(book) if since is None or closure.closed_at >= since]


def refunded_closures(book: Book, *, since: datetime | None = None, reason: str | None = None) -> list[Row]:
    """Closings that sent something back to the buyer."""
    return [
        (
            *(c.order.order_id, c.order.seller, c.line.reason, c.line.get("actor"), c.closed_at),
            *(c.order.currency, c.to_buyer, c.to_seller, c.order.refunded),
        )
        for c in _since(book, since)
        if c.to_buyer > 0 and reason in (None, c.line.reason)
    ]


def paid_out_closures(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Closings that paid the seller."""
    return [
        (
            *(c.order.order_id, c.order.seller, c.line.reason, c.line.get("actor"), c.closed_at),
            *(c.order.currency, c.to_seller),
        )
        for c in _since(book, since)
        if c.to_seller > 0
    ]


def split_closures(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Closings that gave both something."""
    return [
        (c.order.order_id, c.order.seller, c.line.reason, c.closed_at, c.order.currency, c.to_buyer, c.to_seller)
        for c in _since(book, since)
        if c.to_buyer > 0 and c.to_seller > 0
    ]


def unexplained_closures(book: Book) -> list[Row]:
    """Closings of which nobody knows why, with what the order still holds."""
    return [
        (c.order.order_id, c.order.seller, c.closed_at, c.order.currency, c.order.escrow)
        for c in closures(book)
        if c.line.reason == "unknown"
    ]


def closed_without_delivery(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Closings before any delivery scan."""
    return [
        (c.order.order_id, c.order.seller, c.line.reason, c.closed_at, c.money_went_to)
        for c in _since(book, since)
        if not c.delivered
    ]


def paid_without_delivery(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Closings that paid the seller before any delivery scan."""
    return [
        (c.order.order_id, c.order.seller, c.line.reason, c.closed_at, c.order.currency, c.to_seller)
        for c in _since(book, since)
        if c.to_seller > 0 and not c.delivered
    ]


def confirmed_before_delivery(book: Book) -> list[Row]:
    """Confirmed before any delivery scan."""
    return [
        (c.order.order_id, c.order.seller, c.closed_at, c.to_seller, c.order.currency)
        for c in closures(book)
        if c.line.reason == "confirmed" and not c.delivered
    ]


def closures_by_reason(book: Book, *, since: datetime | None = None, seller: str | None = None) -> list[Row]:
    """How many closings of each month and reason, and what they moved."""
    chosen = [closure for closure in _since(book, since) if seller in (None, closure.order.seller)]
    groups = grouped(((_month(c.closed_at), c.line.reason, c.order.currency), c) for c in chosen)
    return [
        (month, reason, len(group), currency, sum(c.to_buyer for c in group), sum(c.to_seller for c in group))
        for (month, reason, currency), group in sorted(groups.items())
    ]


def _month(instant: datetime) -> str:
    return instant.isoformat()[:7]


def security_closures(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Closings by security, with how often their sellers have them."""
    of = {seller.seller: seller for seller in sellers(book)}
    return [
        (
            *(c.order.order_id, c.order.seller, c.closed_at, c.order.currency, c.to_buyer, c.order.refunded),
            *(of[c.order.seller].orders, of[c.order.seller].security_closures),
        )
        for c in _since(book, since)
        if c.line.reason == "security"
    ]


def refunds_in_transit(book: Book) -> list[Row]:
    """Orders with a refund on its way; those overdue first."""
    found = []
    for order in book.orders:
        if order.pending > 0:
            refund_by = order.due("refund_by")
            overdue = order.refund_failed or (refund_by is not None and refund_by < book.now)
            key = (not overdue, refund_by or datetime.max, order.order_id)
            what = (order.order_id, order.reason, order.closed_at, order.currency, order.pending)
            found.append((key, (*what, refund_by, order.refund_failed, overdue)))
    return [row for _, row in sorted(found)]


def open_dispute_windows(book: Book) -> list[Row]:
    """Closed orders that may still be disputed, because somebody but the buyer has money of theirs (R12)."""
    of = {order.order_id: order for order in book.orders}
    running = [(t.due_at, of[t.order_id]) for t in timers(book) if t.timer == "dispute_until" and t.running]
    return [
        (order.order_id, order.reason, order.closed_at, due_at, order.currency, order.to_seller)
        for due_at, order in sorted(running, key=lambda pair: (pair[0], pair[1].order_id))
        if order.escrow + order.to_seller > 0
    ]


def open_feedback_windows(book: Book) -> list[Row]:
    """Closed orders of which the buyer may still say something."""
    of = {order.order_id: order for order in book.orders}
    running = [(t.due_at, t.order_id) for t in timers(book) if t.timer == "feedback_until" and t.running]
    return [(order_id, of[order_id].seller, of[order_id].closed_at, due_at) for due_at, order_id in sorted(running)]


def money_by_account(book: Book) -> list[Row]:
    """What each account holds that ever had something."""
    groups = grouped(((leg.currency, leg.account), leg.amount) for leg in postings(book))
    return [(currency, account, sum(amounts)) for (currency, account), amounts in sorted(groups.items())]


def money_by_month(book: Book) -> list[Row]:
    """What moved in each month: paid, to the seller, on its way to the buyer, arrived."""
    groups = grouped(((_month(leg.occurred_at), leg.currency), leg) for leg in postings(book))
    rows: list[Row] = []
    for (month, currency), legs in sorted(groups.items()):
        paid = [-leg.amount for leg in legs if leg.type == "paid" and leg.account == "buyer"]
        to_seller = [leg.amount for leg in legs if leg.account == "seller"]
        refunds = [leg.amount for leg in legs if leg.account == "refunds"]
        to_buyer = [amount for amount in refunds if amount > 0]
        refunded = [-amount for amount in refunds if amount < 0]
        rows.append((month, currency, *(sum(part, Decimal(0)) for part in (paid, to_seller, to_buyer, refunded))))
    return rows


ANSWERS = (
    refunded_closures,
    paid_out_closures,
    split_closures,
    unexplained_closures,
    closed_without_delivery,
    paid_without_delivery,
    confirmed_before_delivery,
    closures_by_reason,
    security_closures,
    refunds_in_transit,
    open_dispute_windows,
    open_feedback_windows,
    money_by_account,
    money_by_month,
)
