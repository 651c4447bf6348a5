"""Whether a fact can be true of an order, and what it means: the order in which the rules are asked.

The same fact again (R10) → known order (R7, R8) → actor (R1, R6) → not in the future (R9) → lifecycle → R12 → money
(R11, R15, R17) → recorded, with every flag that applies. What an event type completes is in `completion.py`.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from ledger import events as e
from ledger.completion import COMPLETE
from ledger.errors import Malformed, Refused
from ledger.lifecycle import Cell
from ledger.order import Order, fold, row_of
from ledger.policy import Policy
from ledger.same import already_recorded


class Flag(NamedTuple):
    """What a flag means, and the rule it comes from, if one has a number."""

    meaning: str
    rule: str | None = None

    @property
    def text(self) -> str:
        """What it means, with the rule in brackets."""
        return self.meaning if self.rule is None else f"{self.meaning} ({self.rule})"


FLAGS = {
    "unknown-cause": Flag("closed without a known cause", "R3"),
    "after-closing": Flag("it came after the order was closed", "R2"),
    "gap": Flag("a step before it is missing from the log", "R5"),
    "out-of-turn": Flag("it should not have happened in this status", "R5"),
    "out-of-order": Flag("it happened before an event that is already recorded", "R9"),
    "ambiguous-time": Flag("the local time occurred twice that day"),
    "after-window": Flag("its window had passed or never opened", "R12"),
    "undecided-refund": Flag("nobody had decided this refund", "R17"),
    "no-refund": Flag("no refund was on its way"),
    "overpaid": Flag("more was paid than the order's amount", "R18"),
    "underpaid": Flag("less is paid than the order's amount", "R18"),
    "tracking-check-digit": Flag("the tracking number's check digit is wrong"),
}
"""Every flag an event may carry."""

ADVICE = frozenset({"tracking-check-digit", "ambiguous-time"})
"""Flags that alone refuse nothing, neither at the prompt nor under --strict."""

_MOVES_WITH_A_GAP = (e.Verified, e.Shipped, e.DeliveryScan, e.Confirmed)
_RAISES_A_FLAG = frozenset({e.DisputeOpened, e.Frozen})
_OF_A_DISPUTE = (e.DisputeOpened, e.DisputeResolved, e.DisputeWithdrawn)
_MAY_COME_LATE = frozenset({e.Scanned, e.DeliveryScan})


class Decision(Struct, frozen=True, gc=False):
    """What will be written of a fact: the completed event, the status after it, its flags, the order's latest time.

    `effective_at` is None where it equals the event's own occurred_at.
    """

    event: e.Fact
    status: str
    odd: tuple[str, ...]
    effective_at: datetime | None


def decide(order: Order, fact: e.Fact, policy: Policy, now: datetime) -> Decision | e.Recorded:
    """Return what will be written, or the line that says this very fact already (R10); refuse what cannot be."""
    kind = type(fact)
    if fact.occurred_at.tzinfo is not UTC:
        fact = replace(fact, occurred_at=in_utc(fact.occurred_at))
    at, latest = fact.occurred_at, order.effective_at
    # Most facts are later than all before them and have no id to be known by: they cannot be there already.
    is_news = fact.fact_id is None and not order.retracted and (latest is None or at > latest)
    if not is_news:
        recorded = already_recorded(order, fact)
        if recorded is not None:
            return recorded
    if order.base == "none" or kind is e.Placed:
        _check_known(order, fact)
    actor = fact.actor or kind.usual_actor
    if actor != kind.usual_actor and not kind.any_actor:
        _check_actor(order, fact, policy)
    if at > now:
        _check_not_future(fact, policy, now)
    if isinstance(fact, e.Retracted):
        return _take_back(order, fact, actor)
    verdict, base = _judge(order, fact)
    odd = () if verdict == "ok" else _flag_of(verdict, base, order, fact)
    late = latest is not None and at < latest
    if late and kind not in _MAY_COME_LATE:
        odd += ("out-of-order",)
    if fact.ambiguous_time:
        odd += ("ambiguous-time",)
    try:
        event, flags = COMPLETE[kind](order, fact, actor, policy)
    except OverflowError:
        raise _out_of_range() from None
    flagged = order.disputed or order.frozen or kind in _RAISES_A_FLAG
    status = _status_after(order, kind, base) if flagged else base
    return Decision(event, status, odd + flags, latest if late else None)


def refuse_odd(fact: e.Fact, odd: tuple[str, ...], *, hint: str) -> None:
    """Refuse a fact that carries a flag which is more than advice (R13)."""
    serious = [flag for flag in odd if flag not in ADVICE]
    if serious:
        raise Refused(
            "R13",
            f"order {fact.order_id}: {_tag(fact)} is odd: {', '.join(serious)}",
            why="; ".join(FLAGS[flag].text for flag in serious),
            hint=hint,
        )


def in_utc(instant: datetime) -> datetime:
    """Return the instant in UTC; one that no calendar holds is malformed."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise _out_of_range() from None


def _out_of_range() -> Malformed:
    return Malformed("a date is out of range", why="dates go from year 1 to 9999", hint="look for a typing mistake")


def _check_known(order: Order, fact: e.Fact) -> None:
    """Refuse what comes before `placed`, and a `placed` that comes second; no other fact is asked about."""
    if order.base == "none":
        _check_id(fact.order_id)
        if type(fact) is not e.Placed:
            raise Refused(
                "R7",
                f"unknown order {fact.order_id}: nothing is known of it before `placed`",
                why="the first event of an order is `placed` (R7)",
                hint="record `placed` first, with its seller, amount and currency; or check the order id",
            )
    else:
        raise Refused(
            "R8",
            f"order {fact.order_id} was already placed, with other particulars",
            why="an order is placed once (R8)",
            hint="a repeat order has its own id and may say reorder_of; a mistake is retracted",
        )


def _check_id(order_id: str) -> None:
    if not re.match(e.ID_PATTERN, order_id):
        raise Malformed(
            f"malformed order id {order_id!r}",
            why="ids have 1 to 128 characters, no spaces and no control characters",
            hint="give the marketplace's order number as it stands there",
        )


def _check_actor(order: Order, fact: e.Fact, policy: Policy) -> None:
    kind = type(fact)
    cancels = isinstance(fact, e.Closed) and fact.reason == "cancelled" and policy.buyer_cancels_unpaid
    if fact.actor == "buyer" and cancels:
        if order.paid == 0:
            return
        raise Refused(
            "R6",
            f"order {fact.order_id}: the buyer cannot close a paid order",
            why="the buyer cancels alone only while nothing is paid (R6)",
            hint="record what the buyer can do: cancel-requested; if the platform closed it, say actor platform",
        )
    if kind.closing and fact.actor == "seller":
        raise Refused(
            "R1",
            f"order {fact.order_id}: the seller cannot close an order",
            why="only the buyer or the platform closes an order (R1)",
            hint="if the platform closed it, say actor platform (--by platform); a seller's consent is cancel-accepted",
        )
    raise Refused(
        "R6",
        f"order {fact.order_id}: the {fact.actor} cannot do this: {_tag(fact)}",
        why=f"it is done by the {kind.usual_actor} (R6)",
        hint=f"leave the actor out, or say {kind.usual_actor}; what somebody else says of it is a `noted`",
    )


def _check_not_future(fact: e.Fact, policy: Policy, now: datetime) -> None:
    if fact.occurred_at > now + timedelta(minutes=policy.future_minutes):
        raise Refused(
            "R9",
            f"order {fact.order_id}: {_tag(fact)} at {fact.occurred_at:%Y-%m-%dT%H:%M:%SZ} is in the future",
            why=f"the ledger records what has happened; now is {now:%Y-%m-%dT%H:%M:%SZ} (R9)",
            hint="check the date and its zone; record it when it has happened",
        )


def _judge(order: Order, fact: e.Fact) -> tuple[str, str]:
    """Return the lifecycle's verdict, ok, odd or R12, and the base status after the fact; refuse what it forbids."""
    row = row_of(fact)
    own, base = row[order.base]
    verdict = _under_a_flag(order, fact, row, own) if order.disputed or order.frozen else own
    if verdict == "R22":
        verdict = "ok" if order.cancel_declined else "odd"
    if verdict == "no" or (own == "no" and type(fact).closing and not _reviews_a_closing(order, fact)):
        raise _refuse_by_lifecycle(order, fact)
    if verdict != "ok" and type(fact) is e.DisputeOpened and order.base == "closed":
        _check_something_left(order)
    return verdict, base


def _under_a_flag(order: Order, fact: e.Fact, row: dict[str, Cell], own: str) -> str:
    """Return what the column `disputed` or `frozen` says; a closed order's own column, but for its dispute."""
    if order.disputed and order.base == "closed" and not isinstance(fact, _OF_A_DISPUTE):
        return own
    verdict = row["disputed" if order.disputed else "frozen"].verdict
    if verdict == "R24":
        return "ok" if order.frozen else "no"
    return verdict


def _reviews_a_closing(order: Order, fact: e.Fact) -> bool:
    return isinstance(fact, e.DisputeResolved) and order.base == "closed"


def _refuse_by_lifecycle(order: Order, fact: e.Fact) -> Refused:
    if order.base == "closed":
        why = "a closed order is closed once and never reopened (R2)"
        hint = "order again with `placed` and reorder_of; a dispute may still review the money (dispute-opened)"
        if type(fact) in (e.DisputeWithdrawn, e.DisputeResolved):
            why = "no dispute is running (R2)"
            hint = "record dispute-opened first, if there was one"
    else:
        why = f"it cannot happen while the order is {order.status} (lifecycle)"
        hint = f"look at the order's story: orderledger show {order.order_id}; a wrong event before it can be retracted"
    what = f"order {order.order_id} is {order.status}: {_tag(fact)} cannot happen any more"
    if order.base != "closed":
        what = f"order {order.order_id} is {order.status}: {_tag(fact)} cannot happen now"
    elif type(fact).closing:
        what = f"order {order.order_id} is closed already and cannot be closed again: {_tag(fact)}"
    return Refused("L", what, why=why, hint=hint)


def _check_something_left(order: Order) -> None:
    if order.escrow + order.to_seller == 0:
        raise Refused(
            "R12",
            f"order {order.order_id}: nothing is left to dispute",
            why="neither the marketplace nor the seller has any of the buyer's money (R12)",
            hint="a refund that has not arrived is recorded with refund-failed, one that has with refunded",
        )


def _flag_of(verdict: str, base: str, order: Order, fact: e.Fact) -> tuple[str, ...]:
    """Return the one flag of an odd verdict; R12 has its own, and none within the window."""
    if verdict == "R12":
        in_window = order.dispute_until is not None and fact.occurred_at <= order.dispute_until
        return () if in_window or order.closure_reason == "unknown" else ("after-window",)
    if type(fact) is e.Closed and fact.reason in (None, "unknown"):
        return ("unknown-cause",)
    if order.base == "closed":
        return ("after-closing",)
    may_gap = isinstance(fact, _MOVES_WITH_A_GAP) or (type(fact) is e.Closed and fact.reason == "protection-expired")
    undisturbed = not (order.disputed or order.frozen)
    return ("gap",) if may_gap and undisturbed and base != order.base else ("out-of-turn",)


def _status_after(order: Order, kind: type[e.Event], base: str) -> str:
    """Return the status shown where a flag is up or is raised."""
    if kind.closing:
        return base
    disputed = kind is e.DisputeOpened or (order.disputed and kind is not e.DisputeWithdrawn)
    frozen = kind is e.Frozen or (order.frozen and kind is not e.Unfrozen)
    return "disputed" if disputed else "frozen" if frozen else base


def _take_back(order: Order, fact: e.Retracted, actor: e.Actor) -> Decision:
    """Return the retraction of the order's latest event in force (R23)."""
    *earlier, latest = order.in_force()
    if fact.retracts != latest.version:
        raise Refused(
            "R23",
            f"order {order.order_id}: version {fact.retracts} cannot be taken back now",
            why=f"only the latest event in force can be: version {latest.version}, {_tag(latest.event)} (R23)",
            hint=f"retract {latest.version} first, then the ones before it; record again what was right",
        )
    assert order.effective_at is not None  # an order in force has a latest event
    late = fact.occurred_at < order.effective_at
    return Decision(
        replace(fact, actor=actor),
        fold(order.order_id, earlier).status,
        (("out-of-order",) if late else ()) + (("ambiguous-time",) if fact.ambiguous_time else ()),
        order.effective_at if late else None,
    )


def _tag(event: e.Event) -> str:
    if type(event) is e.Closed:
        return f"closed ({event.reason or 'unknown'})"
    return e.tag_of(event)
