"""A log of which something ends at EDGE, the very instant it is looked from, or is exactly so much and no more.

Every audit has something to say of it. Where an order ends a second too late or too early, its name says so.
"""

from functools import cache
from typing import Any

from ledger.events import Fact, Recorded
from tests import scenario as s
from tests.logs import log_of

EDGE = s.after(50)


def sold(
    order_id: str, *, shipped: float = 3, seconds: float = 0, tracking: str | None = None, **more: Any
) -> list[Fact]:
    """Return the usual facts of an order up to its shipping, so many days and seconds after START."""
    return [
        *bought(order_id, **more),
        s.shipped(order_id=order_id, at=s.after(shipped, seconds=seconds), tracking=tracking, carrier="Post"),
    ]


def bought(order_id: str, **more: Any) -> list[Fact]:
    """Return the usual facts up to the verified payment; the seller has until day 8."""
    return [
        s.placed(order_id=order_id, at=s.after(0), **more),
        s.paid(order_id=order_id, at=s.after(0, hours=1)),
        s.verified(order_id=order_id, at=s.after(1)),
    ]


def prices() -> list[Fact]:
    """1.23 is exactly 0.3 times 4.10, though not in binary; without a title, only the seller's orders are compared."""
    of_rings = {"bait": "1.23", "bait-no-more": "1.24", "ring-1": "4.10", "ring-2": "4.10", "ring-3": "4.10"}
    return [
        *(
            s.placed(order_id=name, at=s.after(0), seller="jeweller", title="ring", amount=a)
            for name, a in of_rings.items()
        ),
        *(s.placed(order_id=f"no-title-{n}", at=s.after(0), seller=f"shop-of-{n}") for n in range(4)),
        s.placed(order_id="no-title-bait", at=s.after(0), seller="shop-of-all", amount="0.01"),
        *(s.placed(order_id=f"yen-{n}", at=s.after(0), seller="tokyo", currency="JPY", amount="99") for n in range(2)),
        s.placed(order_id="yen-2", at=s.after(0), seller="tokyo", currency="JPY", amount="9000"),
        s.placed(order_id="yen-3", at=s.after(0), seller="tokyo", currency="JPY", amount="9900"),
        *(
            s.placed(order_id=f"euro-{n}", at=s.after(0), seller="paris", currency="EUR", amount="10.00")
            for n in range(2)
        ),
        s.placed(order_id="euro-2", at=s.after(0), seller="paris", currency="EUR", amount="1.00"),
        s.placed(order_id="euro-bait", at=s.after(0), seller="paris", currency="EUR", amount="0.50"),
        *(
            s.placed(order_id=f"pound-{n}", at=s.after(0), seller="bath", currency="GBP", amount="10.00")
            for n in range(2)
        ),
        s.placed(order_id="pound-bait", at=s.after(0), seller="bath", currency="GBP", amount="1.00"),
        s.placed(order_id="yen-bait", at=s.after(0), seller="tokyo", currency="JPY", amount="29", title="ring"),
    ]


def shipping() -> list[Fact]:
    """Shipped in the last second and in the first after it; never shipped; shipped after all."""
    return [
        *sold("in-time", shipped=8, seller="slow"),
        *sold("late", shipped=8, seconds=1, seller="slow"),
        *bought("extended", seller="slow"),
        s.processing_extended(order_id="extended", at=s.after(2), days=1),
        s.processing_extended(order_id="extended", at=s.after(3), days=1),
        s.shipped(order_id="extended", at=s.after(10, minutes=36, hours=3)),
        *bought("never", seller="slow"),
        s.closed(order_id="never", at=s.after(9), reason="not-shipped"),
        *bought("after-all", seller="slow"),
        s.closed(order_id="after-all", at=s.after(5), reason="not-shipped"),
        s.shipped(order_id="after-all", at=s.after(6)),
        s.shipped(order_id="after-all", at=s.after(7)),
        s.placed(order_id="no-time-was-set", at=s.after(0), seller="slow"),
        s.closed(order_id="no-time-was-set", at=s.after(1), reason="not-shipped"),
    ]


def protection() -> list[Fact]:
    """Protection that ends now, in a week, a second before or later; cut by one scan and another; disputed, frozen."""
    return [
        *sold("ends-before", shipped=10, seconds=-1),
        *sold("ends-now", shipped=10),
        *sold("ends-in-a-week", shipped=17),
        *sold("ends-later", shipped=17, seconds=1),
        *sold("ends-disputed", shipped=12),
        s.dispute_opened(order_id="ends-disputed", at=s.after(20)),
        *sold("ends-frozen", shipped=9, seller="watched"),
        s.frozen(order_id="ends-frozen", at=s.after(43)),
        *sold("cut-twice", shipped=4),
        s.delivered(order_id="cut-twice", at=s.after(20)),
        s.delivered(order_id="cut-twice", at=s.after(19)),
        *sold("cut-later", shipped=4),
        s.delivered(order_id="cut-later", at=s.after(41)),
        s.protection_extended(order_id="cut-later", at=s.after(42), days=30),
        s.delivered(order_id="cut-later", at=s.after(43)),
        s.closed(order_id="cut-later", at=s.after(49), reason="protection-expired"),
        *sold("cut-confirmed", shipped=4),
        s.delivered(order_id="cut-confirmed", at=s.after(20)),
        s.confirmed(order_id="cut-confirmed", at=s.after(21)),
        *sold("cut-disputed", shipped=4),
        s.delivered(order_id="cut-disputed", at=s.after(20)),
        s.dispute_opened(order_id="cut-disputed", at=s.after(21)),
        s.dispute_withdrawn(order_id="cut-disputed", at=s.after(22)),
        *bought("not-cut"),
        s.delivered(order_id="not-cut", at=s.after(20)),
        *sold("not-cut-so-late", shipped=4),
        s.delivered(order_id="not-cut-so-late", at=s.after(39)),
    ]


def closing() -> list[Fact]:
    """Windows that end now or a second before; a dispute after closing; nothing to dispute; refunds on their way."""
    return [
        *sold("window-to-now"),
        s.confirmed(order_id="window-to-now", at=s.after(43)),
        *sold("window-over"),
        s.confirmed(order_id="window-over", at=s.after(43, seconds=-1)),
        *sold("window-empty"),
        s.closed(order_id="window-empty", at=s.after(45), reason="protection-expired", to_buyer="20.00"),
        *sold("split"),
        s.delivered(order_id="split", at=s.after(44)),
        s.closed(order_id="split", at=s.after(46), reason="protection-expired", to_buyer="5.00"),
        *sold("split-before"),
        s.closed(order_id="split-before", at=s.after(43), reason="protection-expired", to_buyer="5.00"),
        *sold("feedback-to-now"),
        s.delivered(order_id="feedback-to-now", at=s.after(19)),
        s.confirmed(order_id="feedback-to-now", at=s.after(20)),
        *sold("feedback-left"),
        s.confirmed(order_id="feedback-left", at=s.after(40)),
        s.feedback_left(order_id="feedback-left", at=s.after(41)),
        *sold("disputed-again"),
        s.confirmed(order_id="disputed-again", at=s.after(40)),
        s.dispute_opened(order_id="disputed-again", at=s.after(41)),
        *bought("refund-due-now"),
        s.closed(order_id="refund-due-now", at=s.after(36), reason="out-of-stock"),
        *bought("refund-overdue"),
        s.closed(order_id="refund-overdue", at=s.after(36, seconds=-1), reason="out-of-stock"),
        s.refunded(order_id="refund-overdue", at=s.after(40), amount="19.99"),
        *bought("refund-failed"),
        s.closed(order_id="refund-failed", at=s.after(45), reason="administration"),
        s.refund_failed(order_id="refund-failed", at=s.after(46)),
        *bought("refund-failed-before"),
        s.closed(order_id="refund-failed-before", at=s.after(45), reason="administration"),
        s.refund_failed(order_id="refund-failed-before", at=s.after(46)),
        s.refunded(order_id="refund-failed-before", at=s.after(47), amount="1.00"),
        *sold("unknown"),
        s.closed(order_id="unknown", at=s.after(30)),
        s.refunded(order_id="unknown", at=s.after(35), amount="2.00"),
        *sold("unknown-before"),
        s.closed(order_id="unknown-before", at=s.after(29)),
    ]


def cancelling() -> list[Fact]:
    """Requests answered in each way, and two unanswered: one has until now, the other had a second less."""
    return [
        *[fact for n in range(7) for fact in bought(f"asked-{n}")],
        *[s.cancel_requested(order_id=f"asked-{n}", at=s.after(36)) for n in range(6)],
        s.cancel_requested(order_id="asked-6", at=s.after(36, seconds=-1)),
        s.cancel_accepted(order_id="asked-1", at=s.after(37)),
        s.closed(order_id="asked-1", at=s.after(38), reason="cancelled"),
        s.cancel_declined(order_id="asked-2", at=s.after(37), tracking="RR473124829GB"),
        s.shipped(order_id="asked-2", at=s.after(38), tracking="RR473124829GB"),
        s.shipped(order_id="asked-3", at=s.after(37), tracking="RR473124829GB"),
        s.closed(order_id="asked-4", at=s.after(37), reason="cancelled"),
        s.cancel_declined(order_id="asked-5", at=s.after(37), tracking="RR473124820GB"),
        s.cancel_requested(order_id="asked-5", at=s.after(38)),
        s.retracted(order_id="asked-5", at=s.after(39), retracts=6, why="it was said, not asked"),
        s.cancel_requested(order_id="asked-5", at=s.after(39)),
        s.cancel_accepted(order_id="asked-5", at=s.after(39)),
        s.retracted(order_id="asked-5", at=s.after(40), retracts=9, why="asked somebody else", by="seller"),
        s.retracted(order_id="asked-5", at=s.after(38, hours=12), retracts=8, why="never asked"),
        s.placed(order_id="a-note-too-many", at=s.after(0)),
        s.noted(order_id="a-note-too-many", at=s.after(-1)),
        s.noted(order_id="a-note-too-many", at=s.after(2)),
        s.retracted(order_id="a-note-too-many", at=s.after(43), retracts=3, why="another order's"),
        s.noted(order_id="a-note-too-many", at=s.after(45)),
        s.retracted(order_id="a-note-too-many", at=s.after(42), retracts=5, why="told by the future"),
    ]


def watched() -> list[Fact]:
    """Sellers with a security closure, a freeze under a dispute, and a freeze that is over; parcels by two numbers."""
    return [
        *sold("closed-for-security", seller="unsafe", tracking="LP00123456789012"),
        s.closed_by_security(order_id="closed-for-security", at=s.after(43)),
        *sold("closed-for-security-before", seller="unsafe"),
        s.closed_by_security(order_id="closed-for-security-before", at=s.after(6)),
        *sold("open-with-the-unsafe", seller="unsafe", tracking="LP00123456789012"),
        s.scanned(order_id="open-with-the-unsafe", at=s.after(9), place="Riga"),
        s.scanned(order_id="open-with-the-unsafe", at=s.after(8), checkpoint="accepted", place="Minsk"),
        *sold("frozen-and-disputed", seller="frosty", tracking="RR473124820GB"),
        s.frozen(order_id="frozen-and-disputed", at=s.after(6)),
        s.dispute_opened(order_id="frozen-and-disputed", at=s.after(7)),
        s.shipped(order_id="frozen-and-disputed", at=s.after(8), tracking="LP2"),
        s.scanned(order_id="frozen-and-disputed", at=s.after(9)),
        *bought("claimed-and-sent", seller="hasty"),
        s.cancel_requested(order_id="claimed-and-sent", at=s.after(2)),
        s.cancel_declined(order_id="claimed-and-sent", at=s.after(3), tracking="CLAIMED-1"),
        s.shipped(order_id="claimed-and-sent", at=s.after(4), tracking="SENT-1", carrier="Post"),
        s.shipped(order_id="claimed-and-sent", at=s.after(4, minutes=1), tracking="SENT-1"),
        s.cancel_requested(order_id="claimed-and-sent", at=s.after(4)),
        s.scanned(order_id="claimed-and-sent", at=s.after(5)),
        s.scanned(order_id="claimed-and-sent", at=s.after(5), checkpoint="customs-out"),
        s.delivered(order_id="claimed-and-sent", at=s.after(20), tracking="CLAIMED-1"),
        s.delivered(order_id="claimed-and-sent", at=s.after(21), tracking="CLAIMED-1"),
        *sold("open-with-the-frosty", seller="frosty"),
        *sold("free-again", seller="thawed"),
        s.frozen(order_id="free-again", at=s.after(6)),
        s.unfrozen(order_id="free-again", at=s.after(7)),
    ]


@cache
def edge_log() -> list[Recorded]:
    """Return the lines; each is recorded when it occurred."""
    return log_of([*prices(), *shipping(), *protection(), *closing(), *cancelling(), *watched()])
