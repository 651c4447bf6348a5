"""The audits of orders as they stand: protection, parcels, sellers, timers, cancellations, paths."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from tests.auditing.book import Book, Line, Order, Row, days, grouped, hours, nearest_rank, rounded, share
from tests.auditing.relations import Seller, oddities, parcels, sellers, steps, timers


def protection_cut_unchallenged(book: Book, *, since: datetime | None = None) -> list[Row]:
    """Orders whose protection a delivery scan made shorter, and whose buyer neither disputed nor confirmed."""
    found = []
    for order in book.orders:
        cut = next(_cuts(order), None)
        unchallenged = not order.of("dispute-opened", "confirmed")
        if cut and unchallenged and (since is None or cut.occurred_at >= since):
            until = order.due("protected_until")
            what = (order.order_id, order.seller, cut.occurred_at, until, order.reason, order.to_seller)
            found.append((*what, order.currency))
    return sorted(found, key=lambda row: (row[2], row[0]))


def _cuts(order: Order) -> Iterator[Line]:
    """The delivery scans that set an earlier end than the one in force before them."""
    until: datetime | None = None
    for line in order.lines:
        new = line.when("protected_until")
        if line.type == "delivered-scan" and new and until and new < until:
            yield line
        until = new or until


def at_risk(book: Book, *, days: int = 7) -> list[Row]:
    """Orders whose protection ends within so many days, with no delivery and no dispute."""
    ends = {
        timer.order_id: timer.due_at for timer in timers(book) if timer.timer == "protected_until" and timer.running
    }
    soon = book.now + timedelta(days=days)
    found = []
    for order in book.orders:
        due_at = ends.get(order.order_id)
        waiting = order.first("delivered-scan") is None and order.status != "disputed"
        if due_at and waiting and book.now <= due_at <= soon:
            left = hours(due_at - book.now)
            found.append((order.order_id, order.seller, due_at, left, order.escrow, order.currency, order.status))
    return sorted(found, key=lambda row: (row[2], row[0]))


def seller_risk(book: Book, *, min_orders: int = 3) -> list[Row]:
    """Sellers by how often something went wrong."""
    slow = grouped((order.seller, order.late or order.reason == "not-shipped") for order in book.orders)
    rows = [_risk(s, sum(slow[s.seller])) for s in sellers(book) if s.orders >= min_orders]
    return sorted(rows, key=lambda row: (-row[-1], row[0]))


def _risk(seller: Seller, late: int) -> Row:
    orders, refunded, disputed = seller.orders, seller.refunded_orders, seller.disputes
    points = refunded + disputed + late + 3 * seller.security_closures
    rates = share(refunded, orders), share(disputed, orders), share(points, orders)
    return (seller.seller, orders, refunded, disputed, late, seller.security_closures, *rates)


def time_in_status(book: Book, *, min_orders: int = 1) -> list[Row]:
    """How long the orders of each seller stayed in each status that they left."""
    of = {order.order_id: order.seller for order in book.orders}
    stays = [(step, step.seconds) for step in steps(book)]
    per_order = grouped(
        ((of[step.order_id], step.to_status, step.order_id), timedelta(seconds=seconds))
        for step, seconds in stays
        if seconds is not None
    )
    groups = grouped(
        ((seller, status), sum(lengths, timedelta())) for (seller, status, _), lengths in per_order.items()
    )
    return [
        (seller, status, len(lengths), hours(nearest_rank(lengths, 50)), hours(nearest_rank(lengths, 90)))
        for (seller, status), lengths in sorted(groups.items())
        if len(lengths) >= min_orders
    ]


def late_shipments(book: Book) -> list[Row]:
    """Orders shipped after their time, or closed because they were not shipped."""
    found = []
    for order in book.orders:
        ship_by, shipped_at = order.due("ship_by"), order.shipped_at
        if order.late or order.reason == "not-shipped":
            over = days(shipped_at - ship_by) if shipped_at and ship_by else None
            extensions = len(order.of("processing-extended"))
            found.append((order.order_id, order.seller, ship_by, shipped_at, over, extensions))
    return sorted(found, key=lambda row: (row[2] or datetime.max, row[0]))


def bad_tracking(book: Book) -> list[Row]:
    """Tracking numbers that cannot be, or that several orders have."""
    wrong = [
        ((line.get("tracking"), "check-digit"), order.order_id)
        for order in book.orders
        for line in order.lines
        if "tracking-check-digit" in line.odd
    ]
    having = grouped((parcel.tracking, parcel.order_id) for parcel in parcels(book))
    shared = [((number, "shared"), order_id) for number, ids in having.items() if len(ids) > 1 for order_id in ids]
    return [
        (number, problem, len(set(ids)), ",".join(sorted(set(ids))))
        for (number, problem), ids in sorted(grouped([*wrong, *shared]).items())
    ]


def bait_prices(book: Book, *, ratio: float = 0.3) -> list[Row]:
    """Orders that cost far less than is usual for the same title, or with the same seller."""
    found = []
    for order in book.orders:
        usual = _usual_amount(book, order)
        if usual is not None and order.amount <= Decimal(str(ratio)) * usual:
            printed = rounded(Fraction(order.amount) / Fraction(usual), 4)
            what = (order.order_id, order.seller, order.title, order.currency)
            found.append((*what, order.amount, usual, printed))
    return sorted(found, key=lambda row: (row[-1], row[0]))


def _usual_amount(book: Book, order: Order) -> Decimal | None:
    others = [other for other in book.orders if other is not order and other.currency == order.currency]
    same_title = [other.amount for other in others if order.title is not None and other.title == order.title]
    same_seller = [other.amount for other in others if other.seller == order.seller]
    amounts = next((found for found in (same_title, same_seller) if len(found) >= 3), None)
    return nearest_rank(amounts, 50) if amounts else None


def oddities_by_kind(book: Book) -> list[Row]:
    """How often each flag is on each type of event."""
    groups = grouped(((oddity.flag, oddity.type), oddity) for oddity in oddities(book))
    rows: list[Row] = []
    for (flag, kind), group in groups.items():
        seen = [oddity.occurred_at for oddity in group]
        rows.append((flag, kind, len(group), len({oddity.order_id for oddity in group}), min(seen), max(seen)))
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def overdue_orders(book: Book) -> list[Row]:
    """Timers that should have ended by now, and refunds that bounced."""
    of = {order.order_id: order for order in book.orders}
    found = []
    for timer in timers(book):
        order = of[timer.order_id]
        over = max(book.now - timer.due_at, timedelta())
        failed = timer.timer == "refund_by" and order.refund_failed
        if timer.running and (timer.due_at < book.now or failed):
            what = (timer.order_id, order.seller, order.status, timer.timer, timer.due_at)
            found.append((*what, days(over), timer.consequence))
    return sorted(found, key=lambda row: (row[4], row[0], row[3]))


OUTCOMES = {"cancel-accepted": "accepted", "cancel-declined": "declined", "shipped": "shipped-anyway"}


def cancellations(book: Book) -> list[Row]:
    """Every request to cancel, and what came of it."""
    asked = [(order, line) for order in book.orders for line in order.of("cancel-requested")]
    asked.sort(key=lambda pair: (pair[1].occurred_at, pair[0].order_id, pair[1].version))
    rows: list[Row] = []
    for order, line in asked:
        later = [other for other in order.lines if _follows(other, line)]
        answer = next((other for other in later if other.closing or other.type in OUTCOMES), None)
        outcome = OUTCOMES.get(answer.type, "closed") if answer else "unanswered"
        answer_by = line.when("answer_by")
        overdue = answer is None and answer_by is not None and answer_by < book.now
        what = (order.order_id, order.seller, line.occurred_at, answer_by)
        rows.append((*what, answer.occurred_at if answer else None, outcome, overdue))
    return rows


def _follows(other: Line, line: Line) -> bool:
    """Whether a line came after another, or was recorded before it and did not happen earlier."""
    return other.version > line.version or (other.version < line.version and other.occurred_at >= line.occurred_at)


def exposed_orders(book: Book) -> list[Row]:
    """Orders that are not over, of sellers who have a freeze or a security closure."""
    frozen = grouped((order.seller, order.frozen) for order in book.orders)
    security = {seller.seller: seller.security_closures for seller in sellers(book)}
    rows: list[Row] = []
    for order in sorted(book.orders, key=lambda order: (order.seller, order.order_id)):
        seller_frozen, seller_security = sum(frozen[order.seller]), security[order.seller]
        if order.status != "closed" and (seller_frozen or seller_security):
            what = (order.order_id, order.seller, order.status, order.currency, order.escrow)
            rows.append((*what, order.due("protected_until"), seller_frozen, seller_security))
    return rows


def retractions(book: Book, *, since: datetime | None = None) -> list[Row]:
    """What was taken back, when, by whom and why."""
    shown = {(line.order_id, line.version): line for line in book.shown}
    found = []
    for line in book.retractions:
        taken_back = shown.get((line.order_id, line.get("retracts")))
        in_time = since is None or line.occurred_at >= since
        if taken_back and in_time and (line.order_id, line.version) in shown:
            what = (line.order_id, taken_back.version, taken_back.type)
            found.append((*what, line.occurred_at, line.get("actor"), line.get("why")))
    return sorted(found, key=lambda row: (row[3], row[0], row[1]))


def _by_time(order: Order) -> list[Line]:
    return sorted(order.lines, key=lambda line: (line.occurred_at, line.version))


def variants(book: Book) -> list[Row]:
    """The paths that orders took, and how many went each."""
    groups = grouped((" > ".join(line.type for line in _by_time(order)), order) for order in book.orders)
    rows: list[Row] = []
    for path, orders in groups.items():
        lengths = [_by_time(order)[-1].occurred_at - _by_time(order)[0].occurred_at for order in orders]
        refunded = sum(order.to_buyer > 0 for order in orders)
        shares = share(len(orders), len(book.orders)), share(refunded, len(orders))
        rows.append((path, len(orders), shares[0], days(nearest_rank(lengths, 50)), shares[1]))
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def handovers(book: Book) -> list[Row]:
    """Which event came right after which, and after how long."""
    pairs = [(order.order_id, *pair) for order in book.orders for pair in pairwise(_by_time(order))]
    groups = grouped(((a.type, b.type), (order_id, b.occurred_at - a.occurred_at)) for order_id, a, b in pairs)
    rows: list[Row] = []
    for (before, after), group in groups.items():
        lengths = [length for _, length in group]
        percentiles = hours(nearest_rank(lengths, 50)), hours(nearest_rank(lengths, 90))
        rows.append((before, after, len({order_id for order_id, _ in group}), *percentiles))
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def order_in_two_ledgers(book: Book) -> list[Row]:
    """No order: a book is one ledger, and has each of its orders once."""
    numbers = [order.order_id for order in book.orders]
    return [(number,) for number in numbers if numbers.count(number) > 1]


ANSWERS = (
    protection_cut_unchallenged,
    at_risk,
    seller_risk,
    time_in_status,
    late_shipments,
    bad_tracking,
    bait_prices,
    oddities_by_kind,
    overdue_orders,
    cancellations,
    exposed_orders,
    retractions,
    variants,
    handovers,
    order_in_two_ledgers,
)
