"""What a buyer can still do about an order, and what to do about a timer: nothing that would be refused or flagged."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from ledger import events as e
from ledger.decide import ADVICE, decide
from ledger.errors import Refused
from ledger.money import text
from ledger.order import Order
from ledger.timers import BY_NAME
from queries.case import Case, Option, Seqs
from queries.standing import refund_due


class Advice(NamedTuple):
    """What to do about a timer, and the type of event that would be recorded of it, if any."""

    text: str
    type: str | None = None


class ByTime(NamedTuple):
    """What to do about a timer before it runs out (None: nothing about it), and when it has."""

    before: Advice | None
    after: Advice


_PROTECTED = ByTime(
    Advice("open a dispute before then if you do not have the parcel; confirm only what you hold", "dispute-opened"),
    Advice("open a dispute if you do not have the parcel: the seller can be paid at any moment", "dispute-opened"),
)
_WHILE_OPEN = {
    ("pay_by", "awaiting-payment"): ByTime(
        Advice("pay before then, or let it lapse", "paid"),
        Advice("pay if you still want it: the platform can close it at any moment", "paid"),
    ),
    ("verify_by", "verifying-payment"): ByTime(
        Advice("wait: the platform verifies the payment"),
        Advice("ask the platform why the payment is not verified"),
    ),
    ("ship_by", "processing"): ByTime(
        Advice("wait, or ask to cancel as long as it is not shipped", "cancel-requested"),
        Advice("ask the platform to close it as not shipped, or ask to cancel", "cancel-requested"),
    ),
    ("ship_by", "cancelling"): ByTime(
        Advice("wait: your order is not cancelled yet, and the seller may still ship it"),
        Advice("ask the platform to close it as not shipped"),
    ),
    ("answer_by", "cancelling"): ByTime(
        Advice("wait; open a dispute if the seller names a parcel that does not exist", "dispute-opened"),
        Advice("ask the platform to cancel it, or open a dispute", "dispute-opened"),
    ),
    ("protected_until", "shipped"): _PROTECTED,
    ("protected_until", "delivered"): _PROTECTED,
    ("protected_until", "frozen"): ByTime(
        Advice("open a dispute before then all the same if you do not have the parcel", "dispute-opened"),
        Advice(
            "open a dispute if you do not have the parcel: once the freeze is lifted the seller can be paid",
            "dispute-opened",
        ),
    ),
    ("review_by", "frozen"): ByTime(
        None,
        Advice("ask the platform how its review stands, or open a dispute", "dispute-opened"),
    ),
}
"""What to do while an order is open, by timer and status."""

_DISPUTE = Advice("open a dispute before then if you do not have the parcel, or not what you ordered", "dispute-opened")
_FEEDBACK = Advice("leave feedback before then", "feedback-left")
_AFTER_CLOSING = {
    "refund_by": ByTime(
        Advice("wait: the refund comes by itself"),
        Advice("ask the platform where the refund is, then your bank; give both the order number"),
    ),
    "dispute_until": ByTime(_DISPUTE, _DISPUTE),
    "feedback_until": ByTime(_FEEDBACK, _FEEDBACK),
}
"""What to do once an order is closed, by timer; a window that has passed does not run."""

_BY_STATUS = {
    "disputed": Advice("note what proves your side while you wait for the decision", "noted"),
    "frozen": Advice("note what proves your side while you wait for the review", "noted"),
}
"""What to do meanwhile, whatever runs."""

_FAILED = Advice("give the platform an account that works, and ask for the refund again")
_NO_DATE = Advice("ask the platform when the refund comes")
_NOTHING_LEFT = Advice("nothing: neither escrow nor the seller has any of your money")
_SHIPPED_FIRST = {
    ("answer_by", "shipped"): Advice("nothing: the parcel is on its way and goes on; do not count on a cancellation"),
    ("answer_by", "delivered"): Advice("nothing: the parcel was delivered; do not count on a cancellation"),
}
"""What to say of a request to cancel that came too late, by timer and status."""

_GONE_ON = Advice("nothing: the order has gone on without it")

_DISPUTES = {
    "processing": "open a dispute: the seller declined to cancel, and has not shipped",
    "frozen": "open a dispute if you do not want to wait for the review",
    "closed": "open a dispute, so that the platform decides who gets the money",
    "shipped": "open a dispute if something is wrong",
}
"""When to open a dispute that no timer asks for, by status."""

_LONGER = {"shipped": "if the parcel is late", "delivered": "if you need time to look for the parcel"}
_DISPUTE_RULES = {"processing": "R22"}
_BY_THE_SELLER = ("security", "dispute-resolved", "not-shipped")
"""Reasons of closings after which one may want another seller."""

_FIELDS: dict[str, dict[str, Any]] = {
    "closed": {"reason": "cancelled", "actor": "buyer"},
    "dispute-opened": {"reason": "other"},
    "feedback-left": {"rating": "neutral"},
    "processing-extended": {"days": 1},
    "protection-extended": {"days": 1},
}
"""What a fact needs besides its order and time, to ask whether it can be recorded."""


def advice(timer: str, status: str, *, overdue: bool, failed: bool = False, left: bool = True) -> Advice:
    """Say what to do about a running timer, or else what the order's status asks for.

    `failed` is a refund that bounced; `left` is whether escrow or the seller has any of the buyer's money (R12).
    """
    if timer == "dispute_until" and not left:
        return _NOTHING_LEFT
    said = _about(timer, status, overdue=overdue, failed=failed) or _SHIPPED_FIRST.get((timer, status))
    return said or _BY_STATUS.get(status, _GONE_ON)


def _about(timer: str, status: str, *, overdue: bool, failed: bool) -> Advice | None:
    """Say what to do about a timer, if there is something about it."""
    if timer == "refund_by" and failed:
        return _FAILED
    by_time = _AFTER_CLOSING.get(timer) or _WHILE_OPEN.get((timer, status))
    return by_time and (by_time.after if overdue else by_time.before)


def options(case: Case) -> list[Option]:
    """Return what can be done now: first what should not wait, then what has a deadline, the soonest first."""
    found = [*_by_timers(case), *_besides(case)]
    if not any(isinstance(option.fact, e.DisputeOpened) for option in found):
        found += _other_dispute(case)
    found.sort(key=lambda option: (not option.urgent, option.until is None, option.until or case.now))
    return found


def _by_timers(case: Case) -> Iterator[Option]:
    """Give what to do about each running timer, and about a refund that has none."""
    order, told = case.order, set()
    for timer in (timer for timer in case.timers if timer.running):
        failed = timer.timer == "refund_by" and order.refund_failed
        overdue = timer.due_at < case.now or failed
        what = _about(timer.timer, order.status, overdue=overdue, failed=failed)
        if what is not None and what not in told:
            told.add(what)
            until = None if overdue else timer.due_at
            rule, seqs = BY_NAME[timer.timer].rule, case.set_by(timer.timer)
            yield from _allowed(case, what, rule, seqs, until=until, urgent=overdue)
    if order.pending > 0 and case.running("refund_by") is None:
        yield from _refund_of_an_earlier_closing(case)


def _refund_of_an_earlier_closing(case: Case) -> Iterator[Option]:
    """Give what to do about a refund on its way that the last closing gives no date for."""
    order, due = case.order, refund_due(case.order)
    late = case.refund_late
    if due is None and not late:
        what = _NO_DATE
    else:
        what = advice("refund_by", order.status, overdue=late, failed=order.refund_failed)
    until = None if late else due
    yield from _allowed(case, what, "R15", tuple(case.moved("to_buyer")), until=until, urgent=late)


def _besides(case: Case) -> Iterator[Option]:
    """Give what no timer asks for."""
    order = case.order
    match order.status:
        case "awaiting-payment":
            what = Advice("cancel it yourself: nothing is paid yet", "closed")
            yield from _allowed(case, what, "R6", case.seqs(e.Placed))
        case "verifying-payment" if order.paid < order.amount:
            what = Advice(f"pay the {case.amount(order.amount - order.paid)} that is missing", "paid")
            yield from _allowed(case, what, "R18", case.seqs(e.Paid))
        case "processing":
            what = Advice("give the seller more days to ship, if you are asked to and want to", "processing-extended")
            yield from _extension(case, what, "ship_by")
        case "shipped" | "delivered":
            what = Advice(f"ask for a longer protection {_LONGER[order.status]}", "protection-extended")
            yield from _extension(case, what, "protected_until")
            what = Advice("confirm once you hold the parcel and it is right: that pays the seller", "confirmed")
            yield from _allowed(case, what, "R15", case.seqs(e.DeliveryScan)[-1:])
        case "cancelling" if case.agreed_in:
            text = "ask the platform to close it, now that the seller has agreed"
            yield Option(text, None, "R15", case.agreed_in)
        case "frozen":
            yield from _allowed(case, _BY_STATUS["frozen"], "R19", case.seqs(e.Frozen)[-1:])
        case "disputed":
            yield from _in_dispute(case)
        case "closed":
            yield from _after_closing(case)


def _extension(case: Case, what: Advice, timer: str) -> Iterator[Option]:
    """Give an extension of a timer that has not run out."""
    running = case.running(timer)
    if running is not None and running.due_at >= case.now:
        yield from _allowed(case, what, "L", case.set_by(timer), until=running.due_at)


def _in_dispute(case: Case) -> Iterator[Option]:
    opened = case.seqs(e.DisputeOpened)[-1:]
    yield from _allowed(case, _BY_STATUS["disputed"], "L", opened)
    what = Advice("take the dispute back, but only when the matter is settled", "dispute-withdrawn")
    yield from _allowed(case, what, "L", opened)


def _after_closing(case: Case) -> Iterator[Option]:
    order = case.order
    if order.closure_reason == "unknown" and order.escrow:
        yield Option("ask the platform why it was closed, and where the money goes", None, "R3", case.closing_seqs)
    elif order.escrow > 0:
        action = f"ask the platform to send back the {case.amount(order.escrow)} that came after the closing"
        yield Option(action, None, "R14", case.paid_after_closing or case.closing_seqs)
    if not (order.delivered or order.confirmed) and order.money_went_to in ("buyer", "nobody"):
        elsewhere = ", rather from another seller" if order.closure_reason in _BY_THE_SELLER else ""
        again = f"order again if you still want it{elsewhere}; the new order can name this one (reorder_of)"
        yield Option(again, None, "R2", case.closing_seqs)


def _other_dispute(case: Case) -> Iterator[Option]:
    """Give a dispute that no timer asks for: before shipping, in a freeze, after a closing."""
    order = case.order
    what = Advice(_DISPUTES.get(order.status, _DISPUTES["shipped"]), "dispute-opened")
    if order.base != "closed":
        yield from _allowed(case, what, _DISPUTE_RULES.get(order.status, "L"), case.seqs(e.CancelDeclined)[-1:])
    else:
        yield from _allowed(case, what, "R12", case.closing_seqs, until=order.dispute_until)


def something_left(order: Order) -> bool:
    """Whether escrow or the seller has any of the buyer's money, so that a dispute can move it (R12)."""
    return order.escrow + order.to_seller > 0


def _allowed(
    case: Case, what: Advice, rule: str, seqs: Seqs, *, until: datetime | None = None, urgent: bool = False
) -> Iterator[Option]:
    """Give the option, unless what would be recorded of it were refused or flagged now."""
    fact = None if what.type is None else _fact(case, what.type)
    if fact is None or _in_order(case, fact):
        yield Option(what.text, until, rule, seqs or (case.lines[-1].seq,), urgent, fact)


def _fact(case: Case, tag: str) -> e.Fact:
    """Make the fact that would be recorded now, after everything that is known of the order."""
    order = case.order
    fields: dict[str, Any] = dict(_FIELDS.get(tag, {}))
    if tag == "paid":
        fields["amount"] = text(order.amount - order.paid, order.currency)
    at = max(case.now, order.effective_at or case.now)
    make: Any = e.TYPES[tag]
    fact: e.Fact = make(order_id=order.order_id, occurred_at=at, **fields)
    return fact


def _in_order(case: Case, fact: e.Fact) -> bool:
    """Whether the fact would be recorded without a flag that is more than advice."""
    try:
        return ADVICE.issuperset(decide(case.order, fact, case.policy, fact.occurred_at).odd)
    except Refused:
        return False
