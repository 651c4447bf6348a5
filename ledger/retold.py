"""What another source tells of an order that the log knows already: it repeats, adds, or contradicts.

The same purchase looks a little different in every export: a date without its time, a clock in another zone, no seller.
So what would be another fact at the prompt (R10) may be the same one here. What agrees is a duplicate; what cannot both
be true is refused with the seq that it contradicts, and nothing is replaced.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from ledger import events as e
from ledger import money
from ledger.errors import Refused
from ledger.formats.foreign import UNKNOWN_SELLER
from ledger.order import Closing, Order, closure_reason

NEAR = timedelta(hours=48)
"""Two times of one fact may be so far apart: a date stands for its midnight, in whichever zone, or is a day early."""

NEAR_SCAN = timedelta(minutes=10)
"""A parcel may be scanned twice a day."""

CONTRADICTS = " contradicts seq "
"""What stands in the words of a refusal before the seq of a line that says something else."""


def retold(order: Order, fact: e.Fact) -> e.Recorded | None:
    """Return the line in force that says what a foreign fact says, if one does; Refused when one contradicts it."""
    if not order.known:
        return None
    if fact.fact_id is not None and fact.fact_id in order.fact_ids:
        return None  # its own fact again, or a misuse of the id: decided as usual
    kind = type(fact)
    days = _days_near(fact.occurred_at) if kind is e.Scanned else ()
    lines = order.in_force_of(_CLOSINGS if kind.closing else (kind,), days)
    return _RETOLD.get(kind, _same_kind)(order, lines, fact)


def _days_near(at: datetime) -> list[datetime]:
    """Return an instant of each day on which the same scan may be recorded: a parcel may have very many."""
    days = [at]
    for apart in (-NEAR_SCAN, NEAR_SCAN):
        with suppress(OverflowError):
            days.append(at + apart)
    return days


def _placed(order: Order, lines: list[e.Recorded], fact: e.Placed) -> e.Recorded | None:
    line, placed = _of(lines, e.Placed)[0]
    differs: list[tuple[str, str]] = []
    if not _equal(fact.amount, placed.amount) or fact.currency != placed.currency:
        differs.append((f"{fact.amount} {fact.currency}", f"{placed.amount} {placed.currency}"))
    if not _one_shop(fact.seller, placed.seller):
        differs.append((f"seller {fact.seller}", f"seller {placed.seller}"))
    if abs(fact.occurred_at - placed.occurred_at) > NEAR:
        differs.append((_day(fact), _day(placed)))
    if differs:
        ours, theirs = (", ".join(side) for side in zip(*differs, strict=True))
        raise _contradicts("R8", order, f"placed: {ours}", line, theirs)
    return line


def _one_shop(ours: str, theirs: str) -> bool:
    """Whether two sellers may be one: a shop has a number, which its pages show, and a login, which interfaces tell."""
    return UNKNOWN_SELLER in (ours, theirs) or ours == theirs or ours.isdecimal() != theirs.isdecimal()


def _paid(order: Order, lines: list[e.Recorded], fact: e.Paid) -> e.Recorded | None:
    return _part_of(order, lines, fact, "R18", done=order.paid, whole=order.amount)


def _part_of(
    order: Order, lines: list[e.Recorded], fact: e.Paid | e.Refunded, rule: str, *, done: int, whole: int
) -> e.Recorded | None:
    """Find money that was told before among the parts of a sum; refuse what does not fit into it any more."""
    if fact.currency not in (None, order.currency):
        return None  # which is refused as usual
    line, told = _same_amount(lines, fact), _of(lines, type(fact))
    if line is not None or not told:
        return line
    nearest, event = min(told, key=lambda pair: abs(pair[1].occurred_at - fact.occurred_at))
    if _two(event, fact) or done + money.parse(fact.amount, order.currency) <= whole:
        return None
    verb = e.tag_of(fact)
    theirs = f"{verb} {event.amount}; {_shown(done, order)} of {_shown(whole, order)} {order.currency} are {verb}"
    raise _contradicts(rule, order, f"{verb} {fact.amount}, {_day(fact)}", nearest, theirs)


def _shipped(order: Order, lines: list[e.Recorded], fact: e.Shipped) -> e.Recorded | None:
    shipped = _of(lines, e.Shipped)
    if fact.tracking is not None:  # a number that is new is recorded: parcels are looked up by it
        return next((line for line, event in shipped if event.tracking == fact.tracking), None)
    return next((line for line, event in shipped if _near(event, fact) and not _two(event, fact)), None)


def _scanned(order: Order, lines: list[e.Recorded], fact: e.Scanned) -> e.Recorded | None:
    for line, event in _of(lines, e.Scanned):
        same = event.checkpoint == fact.checkpoint and _one_parcel(event, fact)
        if same and abs(event.occurred_at - fact.occurred_at) <= NEAR_SCAN:
            return line
    return None


def _delivered(order: Order, lines: list[e.Recorded], fact: e.DeliveryScan) -> e.Recorded | None:
    scans = _of(lines, e.DeliveryScan)
    return next((line for line, event in scans if _near(event, fact) and _one_parcel(event, fact)), None)


def _extended(
    order: Order, lines: list[e.Recorded], fact: e.ProtectionExtended | e.ProcessingExtended
) -> e.Recorded | None:
    for line, event in _of(lines, type(fact)):
        if _near(event, fact) and event.days == fact.days and not _two(event, fact):
            return line
    return None


def _closing(order: Order, lines: list[e.Recorded], fact: Any) -> e.Recorded | None:
    closings: list[tuple[e.Recorded, Closing]] = [
        (line, line.event) for line in lines if isinstance(line.event, Closing)
    ]
    if not closings:
        return None
    ours, (last, event) = closure_reason(fact), closings[-1]
    for line, closing in closings:
        if closure_reason(closing) == ours and _near(closing, fact):
            _check_moved(order, line, fact)
            return line
    if ours == "unknown":
        return last  # it says that the order ended, which is known
    if order.disputed and type(fact) is e.DisputeResolved:
        return None
    if closure_reason(event) == "unknown":
        raise Refused(
            "R2",
            f"order {order.order_id}: closed: {ours}, {_day(fact)} tells why, but seq {last.seq} closed it: unknown",
            why="an order is closed once (R2)",
            hint=f"take seq {last.seq} back with `orderledger retract {order.order_id}` and import this again",
        )
    theirs = f"closed: {closure_reason(event)}, {_day(event)}"
    raise _contradicts("R2", order, f"closed: {ours}, {_day(fact)}", last, theirs)


def _check_moved(order: Order, line: e.Recorded, fact: Any) -> None:
    """Refuse a closing that is told with another outcome or other amounts than it is recorded with."""
    for name in ("outcome", "to_buyer", "to_seller"):
        ours, theirs = getattr(fact, name, None), getattr(line.event, name, None)
        # Zero amounts are left out of the line (R15a).
        if ours is None or ours == theirs or (name != "outcome" and _equal(ours, theirs or "0")):
            continue
        raise _contradicts("R2", order, f"{e.tag_of(fact)}, {name} {ours}", line, f"{name} {theirs or 'nothing'}")


def _refunded(order: Order, lines: list[e.Recorded], fact: e.Refunded) -> e.Recorded | None:
    return _part_of(order, lines, fact, "R17", done=order.refunded, whole=order.paid)


def _same_kind(order: Order, lines: list[e.Recorded], fact: e.Fact) -> e.Recorded | None:
    near = [(line, event) for line, event in _of(lines, type(fact)) if _near(event, fact) and not _two(event, fact)]
    if not near:
        return None
    line, event = min(near, key=lambda pair: abs(pair[1].occurred_at - fact.occurred_at))
    for name in ("reason", "rating", "claim"):
        ours, theirs = getattr(fact, name, None), getattr(event, name, None)
        if ours is None or theirs is None or ours == theirs or not _is_told(type(fact), name, ours, theirs):
            continue
        raise _contradicts("R10", order, f"{e.tag_of(fact)}, {name} {ours}", line, f"{name} {theirs}")
    return line


def _is_told(kind: type[e.Event], name: str, ours: str, theirs: str) -> bool:
    """Whether two different words of a field are two different things: free words are not, and `other` says nothing."""
    if name == "claim":
        return not _equal(ours, theirs)
    return name == "rating" or (kind is e.DisputeOpened and "other" not in (ours, theirs))


def _always_new(order: Order, lines: list[e.Recorded], fact: e.Fact) -> e.Recorded | None:
    return None


_CLOSINGS = frozenset(kind for kind in e.TYPES.values() if kind.closing)

_RETOLD: dict[type[e.Event], Callable[[Order, list[e.Recorded], Any], e.Recorded | None]] = {
    e.Placed: _placed,
    e.Paid: _paid,
    e.Shipped: _shipped,
    e.Scanned: _scanned,
    e.DeliveryScan: _delivered,
    e.Refunded: _refunded,
    e.Noted: _always_new,
    e.Retracted: _always_new,
    e.ProtectionExtended: _extended,
    e.ProcessingExtended: _extended,
    **dict.fromkeys(_CLOSINGS, _closing),
}
"""How a type is recognised; the others happen once in a while, so that one of the kind near in time is the same."""


def _of(lines: list[e.Recorded], kind: type[e.Event]) -> list[tuple[e.Recorded, Any]]:
    """Return the lines of a type of event, each with its event."""
    return [(line, line.event) for line in lines if type(line.event) is kind]


def _near(event: e.Event, fact: e.Event) -> bool:
    return abs(event.occurred_at - fact.occurred_at) <= NEAR


def _two(event: e.Event, fact: e.Event) -> bool:
    """Whether the sources themselves count two facts: by two ids (R10), or one source that gives two times."""
    if event.fact_id is not None or fact.fact_id is not None:
        return event.fact_id is not None and fact.fact_id is not None
    return event.source == fact.source and event.occurred_at != fact.occurred_at


def _one_parcel(event: e.Scanned | e.DeliveryScan, fact: e.Scanned | e.DeliveryScan) -> bool:
    return None in (event.tracking, fact.tracking) or event.tracking == fact.tracking


def _same_amount(lines: list[e.Recorded], fact: e.Paid | e.Refunded) -> e.Recorded | None:
    """Return the line of the same payment or refund, the nearest in time where there are several."""
    same = [
        (line, event)
        for line, event in _of(lines, type(fact))
        if _near(event, fact) and _equal(fact.amount, event.amount) and not _two(event, fact)
    ]
    return min(same, key=lambda pair: abs(pair[1].occurred_at - fact.occurred_at))[0] if same else None


def _shown(minor: int, order: Order) -> str:
    return money.plain(minor, money.EXPONENTS.get(order.currency, 2))


def _equal(ours: str, theirs: str) -> bool:
    return Decimal(ours) == Decimal(theirs)


def _day(event: e.Event) -> str:
    return f"{event.occurred_at:%Y-%m-%d %H:%M}"


def _contradicts(rule: str, order: Order, ours: str, line: e.Recorded, theirs: str) -> Refused:
    return Refused(
        rule,
        f"order {order.order_id}: {ours}{CONTRADICTS}{line.seq}, which says {theirs}",
        why=f"two sources disagree ({rule}); nothing is replaced",
        hint="find out which is right; what is wrong in the log is taken back with `orderledger retract`",
    )
