"""Random histories of orders: facts are tried against the decider, and what it accepts is kept.

Times of occurrence go forward, back, and stand still; the time of recording only goes forward, on its own.
"""

import csv
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from ledger import money
from ledger.decide import Decision, decide
from ledger.errors import Refused
from ledger.events import TYPES, Fact, Recorded
from ledger.order import Order, evolve
from tests.faults import LONG
from tests.scenario import POLICY, START, line_of

with (Path(__file__).parent / "lifecycle.csv").open(newline="") as file:
    TABLE = {line["event"]: line for line in csv.DictReader(file)}

INTERESTING = ("dispute-opened", "dispute-resolved", "refunded", "unfrozen", "confirmed")
STEPS = [timedelta(0), timedelta(minutes=7), *[timedelta(hours=h) for h in (1, 5, 30)], timedelta(days=4, seconds=1)]
LEAPS = [timedelta(days=days) for days in (15, 45, -1, -20)]
TEXTS = [None, None, None, "späte Lieferung", 'a "quoted" \\ text\nof two lines', "деньги 💸", "=1+1", ""]
TRACKING = [None, "RR473124829GB", "RR473124820GB", "LP00123456789012"]
OTHER_FIELDS: dict[str, dict[str, list[Any]]] = {
    "processing-extended": {"days": [1, 7, 30]},
    "protection-extended": {"days": [1, 7, 30]},
    "shipped": {"tracking": TRACKING},
    "delivered-scan": {"tracking": TRACKING},
    "scanned": {"checkpoint": ["accepted", "import", "attempted", "returned"], "tracking": TRACKING},
    "dispute-opened": {"reason": ["not-received", "damaged", "other"]},
    "feedback-left": {"rating": ["positive", "negative"], "text": TEXTS},
    "noted": {"text": TEXTS},
}
Draw = Callable[..., Any]


def examples(count: int) -> settings:
    """Try a law on so many histories, and on ten times as many in the long form (see tests/faults)."""
    return settings(max_examples=count * 10 if LONG else count)


def plausible_rows(order: Order) -> list[str]:
    """Return the rows of the lifecycle that the order's status does not refuse outright, likely ones several times."""
    return [row for row in TABLE for _ in range(_weight(row, order.status))]


def _weight(row: str, status: str) -> int:
    """Return how often a row is tried: a step of the usual path often, what closes the order early seldom."""
    verdict, _, target = TABLE[row][status].partition(">")
    if verdict == "no":
        return 0
    if verdict != "odd" and row in INTERESTING:
        return 10
    if verdict == "odd" or target == "closed":
        return 1
    return 20 if target not in ("=", "back", "") else 3


def _part(draw: Draw, whole: int, currency: str) -> str:
    """Draw an amount: all of it, a part, or the smallest there is."""
    parts = [whole, whole, max(1, whole // 2), max(1, whole // 3), 1]
    return money.text(draw(st.sampled_from(parts)), currency)


def _split(draw: Draw, order: Order) -> dict[str, str]:
    """Draw which of the two amounts of a closing are given: mostly none."""
    given = draw(st.sampled_from([(), (), (), ("to_buyer",), ("to_seller",), ("to_buyer", "to_seller")]))
    to_buyer = draw(st.sampled_from([0, order.escrow // 3, order.escrow]))
    amounts = {"to_buyer": to_buyer, "to_seller": order.escrow - to_buyer}
    return {name: money.text(amounts[name], order.currency) for name in given}


def _fields(draw: Draw, row: str, order: Order) -> dict[str, Any]:
    """Draw the fields of the row's type that it needs, or that change what it does."""
    tag, _, reason = row.partition(":")
    match tag:
        case "placed":
            return _placed(draw)
        case "paid":
            return {"amount": _part(draw, order.amount, order.currency)}
        case "refunded":
            return {"amount": _part(draw, order.pending or order.paid or 1, order.currency)}
        case "dispute-resolved":
            return _resolved(draw, order)
        case "closed":
            return {"reason": reason} | _split(draw, order)
        case "retracted":
            return {"retracts": order.in_force()[-1].version, "why": "a typing mistake"}
        case _:
            return {name: draw(st.sampled_from(values)) for name, values in OTHER_FIELDS.get(tag, {}).items()}


def _placed(draw: Draw) -> dict[str, Any]:
    currency = draw(st.sampled_from(["USD", "USD", "JPY", "KWD"]))
    return {
        "seller": draw(st.sampled_from(["shop-1", "shop-2"])),
        "currency": currency,
        "amount": money.text(draw(st.sampled_from([3, 2000, 123_456])), currency),
        "title": draw(st.sampled_from(TEXTS)),
        "protection_days": draw(st.sampled_from([None, None, 60])),
    }


def _resolved(draw: Draw, order: Order) -> dict[str, Any]:
    outcome = draw(st.sampled_from(["buyer-won", "partial", "seller-won"]))
    if outcome != "partial":
        nothing_moved: dict[str, Any] = draw(st.sampled_from([{}, {}, {"to_buyer": "0"}]))
        return {"outcome": outcome} | nothing_moved
    return {"outcome": outcome, "to_buyer": _part(draw, max(1, order.escrow + order.to_seller), order.currency)}


def draw_fact(draw: Draw, order: Order, rows: Iterable[str]) -> Fact:
    """Draw a fact that the order may take as its next."""
    row = draw(st.sampled_from(sorted(rows)))
    in_force = order.in_force()
    latest = max((line.event.occurred_at for line in in_force), default=START)
    fields = _fields(draw, row, order)
    extra = draw(st.integers(0, 9))
    if extra == 0:
        fields["fact_id"] = f"fact-{order.version}"
    elif extra == 1:
        fields["note"] = "told by the seller"
    elif extra == 2:
        fields["ambiguous_time"] = True
    make: Any = TYPES[row.partition(":")[0]]
    occurred_at = latest + draw(st.sampled_from([*STEPS, *STEPS, *LEAPS]))
    fact: Fact = make(order_id=order.order_id, occurred_at=occurred_at, **fields)
    return fact


def try_fact(order: Order, fact: Fact, now: datetime) -> Decision | None:
    """Return the decision about a fact, or None where it is refused or in the log already."""
    try:
        answer = decide(order, fact, POLICY, now)
    except Refused:
        return None
    return answer if isinstance(answer, Decision) else None


@st.composite
def histories(draw: st.DrawFn, min_orders: int = 1, max_orders: int = 3, max_facts: int = 24) -> list[Recorded]:
    """Draw the lines of a log of so many orders, interleaved, with at most `max_facts` facts tried for each."""
    count = draw(st.integers(min_orders, max_orders))
    orders = [Order(f"81234567890123{number:02}") for number in range(count)]
    turns = draw(st.lists(st.sampled_from(orders), min_size=3 * count, max_size=max_facts * count)) if count > 1 else []
    turns = turns or [order for order in orders for _ in range(draw(st.integers(1, max_facts)))]
    log: list[Recorded] = []
    clock = START + draw(st.sampled_from([timedelta(0), timedelta(days=40)]))
    for order in [*orders, *turns]:
        fact = draw_fact(draw, order, plausible_rows(order))
        clock = max(clock + draw(st.sampled_from(STEPS)), fact.occurred_at - timedelta(minutes=5))
        decision = try_fact(order, fact, clock)
        if decision is not None:
            line = line_of(decision, seq=len(log) + 1, version=order.version + 1, recorded_at=clock)
            log.append(line)
            evolve(order, line)
    return log
