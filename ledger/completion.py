"""What a fact leaves out and its event says: where the money goes (R11, R15 – R18) and when each timer runs out.

One function per event type returns the completed event and the flags that its particulars raise. Given values are
checked and win. Amounts are minor units inside and text with the currency's decimals in the event.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from msgspec.structs import replace

from ledger import events as e
from ledger import money
from ledger.errors import Refused
from ledger.order import Closing, Order
from ledger.policy import Policy
from ledger.tracking import wrong_check_digit

Changes = dict[str, Any]
Completion = tuple[e.Fact, tuple[str, ...]]


@cache
def _days(count: int) -> timedelta:
    return timedelta(days=count)


@cache
def _hours(count: int) -> timedelta:
    return timedelta(hours=count)


def _due(order: Order, given: datetime | None, usual: datetime | None) -> datetime | None:
    """Return when a timer runs out: the given instant, else the usual one, but none on a closed base."""
    if given is not None:
        return given.astimezone(UTC)
    return None if order.base == "closed" else usual


def _nothing(order: Order, fact: e.Fact, actor: e.Actor, policy: Policy) -> Completion:
    return replace(fact, actor=actor), ()


def _placed(order: Order, fact: e.Placed, actor: e.Actor, policy: Policy) -> Completion:
    currency = fact.currency
    amount = money.text(money.parse(fact.amount, currency), currency)
    pay_by = _due(order, fact.pay_by, fact.occurred_at + _days(policy.pay_days))
    items = None if fact.items is None else tuple(_priced(item, currency) for item in fact.items)
    return replace(fact, actor=actor, amount=amount, pay_by=pay_by, items=items), ()


def _priced(item: e.Item, currency: str) -> e.Item:
    return replace(item, price=money.text(money.parse(item.price, currency, "item price", zero=True), currency))


def _paid(order: Order, fact: e.Paid, actor: e.Actor, policy: Policy) -> Completion:
    amount = _checked_amount(order, fact)
    overpaid = order.paid + amount > order.amount
    if overpaid:
        money.check_size(order.paid + amount, money.exponent(order.currency), "the sum of payments")
    event = replace(
        fact,
        actor=actor,
        amount=money.text(amount, order.currency),
        currency=order.currency,
        account_amount=_account_amount(fact),
        verify_by=_due(order, fact.verify_by, fact.occurred_at + _hours(policy.verify_hours)),
    )
    return event, ("overpaid",) if overpaid else ()


def _checked_amount(order: Order, fact: e.Paid | e.Refunded) -> int:
    if fact.currency is not None and fact.currency != order.currency:
        money.exponent(fact.currency)
        raise Refused(
            "R11",
            f"order {order.order_id} is in {order.currency}, not in {fact.currency}",
            why="an order's books stay in its own currency (R11)",
            hint="what the bank showed goes into account_amount and account_currency",
        )
    return money.parse(fact.amount, order.currency)


def _account_amount(fact: e.Paid | e.Refunded) -> str | None:
    """Return what the bank showed with its currency's decimals; one without the other is refused (R11)."""
    if fact.account_amount is None and fact.account_currency is None:
        return None
    if fact.account_amount is None or fact.account_currency is None:
        raise Refused(
            "R11",
            f"order {fact.order_id}: account_amount and account_currency belong together",
            why="an amount without its currency says nothing, and the other way round (R11)",
            hint="give both or neither",
        )
    shown = money.parse(fact.account_amount, fact.account_currency, "account_amount")
    return money.text(shown, fact.account_currency)


def _verified(order: Order, fact: e.Verified, actor: e.Actor, policy: Policy) -> Completion:
    usual = fact.occurred_at + _days(order.processing_days or policy.ship_days)
    flags = ("underpaid",) if order.paid < order.amount else ()
    return replace(fact, actor=actor, ship_by=_due(order, fact.ship_by, usual)), flags


def _processing_extended(order: Order, fact: e.ProcessingExtended, actor: e.Actor, policy: Policy) -> Completion:
    current = order.ship_by or fact.occurred_at + _days(order.processing_days or policy.ship_days)
    return replace(fact, actor=actor, ship_by=_due(order, fact.ship_by, current + _days(fact.days))), ()


def _cancel_requested(order: Order, fact: e.CancelRequested, actor: e.Actor, policy: Policy) -> Completion:
    answer_by = _due(order, fact.answer_by, fact.occurred_at + _days(policy.answer_days))
    return replace(fact, actor=actor, answer_by=answer_by), ()


def _shipped(order: Order, fact: e.Shipped, actor: e.Actor, policy: Policy) -> Completion:
    """Start the protection with the first parcel only (R18)."""
    usual = None
    if order.protected_until is None:
        usual = fact.occurred_at + _days(order.protection_days or policy.protection_days)
    until = _due(order, fact.protected_until, usual)
    return replace(fact, actor=actor, protected_until=until), _tracking_flag(fact.tracking)


def _tracked(order: Order, fact: e.Scanned | e.CancelDeclined, actor: e.Actor, policy: Policy) -> Completion:
    return replace(fact, actor=actor), _tracking_flag(fact.tracking)


def _tracking_flag(tracking: str | None) -> tuple[str, ...]:
    return ("tracking-check-digit",) if tracking is not None and wrong_check_digit(tracking) else ()


def _delivered(order: Order, fact: e.DeliveryScan, actor: e.Actor, policy: Policy) -> Completion:
    """Cut the protection to a few days after the scan: whoever did not get the parcel must dispute before."""
    cut = fact.occurred_at + _days(policy.protection_after_scan_days)
    if order.protected_until is not None:
        cut = min(cut, order.protected_until)
    until = _due(order, fact.protected_until, cut)
    return replace(fact, actor=actor, protected_until=until), _tracking_flag(fact.tracking)


def _protection_extended(order: Order, fact: e.ProtectionExtended, actor: e.Actor, policy: Policy) -> Completion:
    usual = fact.occurred_at + _days(order.protection_days or policy.protection_days)
    current = order.protected_until or usual
    until = _due(order, fact.protected_until, current + _days(fact.days))
    return replace(fact, actor=actor, protected_until=until), ()


def _dispute_opened(order: Order, fact: e.DisputeOpened, actor: e.Actor, policy: Policy) -> Completion:
    claim = fact.claim and money.text(money.parse(fact.claim, order.currency, "claim"), order.currency)
    return replace(fact, actor=actor, claim=claim), ()


def _frozen(order: Order, fact: e.Frozen, actor: e.Actor, policy: Policy) -> Completion:
    review_by = _due(order, fact.review_by, fact.occurred_at + _days(policy.review_days))
    return replace(fact, actor=actor, review_by=review_by), ()


def _confirmed(order: Order, fact: e.Confirmed, actor: e.Actor, policy: Policy) -> Completion:
    to_seller = order.escrow
    if fact.to_seller is not None:
        to_seller = money.parse(fact.to_seller, order.currency, "to_seller", zero=True)
        _must_empty_escrow(order, to_seller)
    return replace(fact, actor=actor, **_closing(order, fact, policy, to_buyer=0, to_seller=to_seller)), ()


def _closed_by_security(order: Order, fact: e.ClosedBySecurity, actor: e.Actor, policy: Policy) -> Completion:
    to_buyer = order.escrow
    if fact.to_buyer is not None:
        to_buyer = money.parse(fact.to_buyer, order.currency, "to_buyer", zero=True)
        _must_empty_escrow(order, to_buyer)
    return replace(fact, actor=actor, **_closing(order, fact, policy, to_buyer=to_buyer, to_seller=0)), ()


def _closed(order: Order, fact: e.Closed, actor: e.Actor, policy: Policy) -> Completion:
    """Send the money where the reason says (R15), unless the fact gives amounts (R15a)."""
    reason = fact.reason or "unknown"
    to_buyer, to_seller = _given(order, fact)
    stays = reason == "unknown"
    if to_buyer is None and to_seller is None and not stays:
        to_buyer, to_seller = (0, order.escrow) if reason == "protection-expired" else (order.escrow, 0)
    if to_buyer is None:
        to_buyer = 0 if stays or to_seller is None else order.escrow - to_seller
    if to_seller is None:
        to_seller = 0 if stays else order.escrow - to_buyer
    if to_buyer < 0 or to_seller < 0:
        raise _more_than_there_is(order)
    if not stays:
        _must_empty_escrow(order, to_buyer + to_seller)
    elif to_buyer + to_seller > order.escrow:
        raise _more_than_there_is(order)
    changes = _closing(order, fact, policy, to_buyer=to_buyer, to_seller=to_seller)
    return replace(fact, actor=actor, reason=reason, **changes), ()


def _given(order: Order, fact: e.Closed) -> tuple[int | None, int | None]:
    to_buyer = None if fact.to_buyer is None else money.parse(fact.to_buyer, order.currency, "to_buyer", zero=True)
    to_seller = None if fact.to_seller is None else money.parse(fact.to_seller, order.currency, "to_seller", zero=True)
    return to_buyer, to_seller


def _must_empty_escrow(order: Order, moved: int) -> None:
    if moved > order.escrow:
        raise _more_than_there_is(order)
    if moved < order.escrow:
        raise Refused(
            "R11",
            f"order {order.order_id}: {money.text(moved, order.currency)} {order.currency} is not all that is held",
            why=f"{_held(order)}, and this closing leaves nothing behind (R15a)",
            hint="leave the amounts out, or give ones that add up to what is held",
        )


def _more_than_there_is(order: Order) -> Refused:
    return Refused(
        "R11",
        f"order {order.order_id}: that is more money than there is",
        why=f"{_held(order)} (R11)",
        hint=f"check the amount; see where the money is: orderledger show {order.order_id}",
    )


def _held(order: Order) -> str:
    def amount(minor: int) -> str:
        return f"{money.text(minor, order.currency)} {order.currency}"

    return f"{amount(order.escrow)} is in escrow and {amount(order.to_seller)} with the seller"


def _dispute_resolved(order: Order, fact: e.DisputeResolved, actor: e.Actor, policy: Policy) -> Completion:
    """Split escrow as decided; a buyer who won gets the seller's money back too (R16)."""
    to_buyer = _awarded(order, fact)
    to_seller = order.escrow - to_buyer
    if fact.to_seller is not None and money.parse_signed(fact.to_seller, order.currency, "to_seller") != to_seller:
        raise Refused(
            "R11",
            f"order {order.order_id}: to_buyer and to_seller do not add up",
            why=f"{_held(order)}; together they are what is in escrow (R15a)",
            hint="give one of them, the other follows",
        )
    if to_buyer < 0 or to_buyer > order.escrow + order.to_seller:
        raise _more_than_there_is(order)
    agrees = {
        "buyer-won": to_seller <= 0,
        "partial": to_buyer > 0,
        "seller-won": to_buyer == 0,
    }
    if not agrees[fact.outcome]:
        raise Refused(
            "R11",
            f"order {order.order_id}: the amounts contradict the outcome {fact.outcome}",
            why=f"{_held(order)}; buyer-won leaves the seller none of escrow, seller-won the buyer (R15a)",
            hint="say --outcome partial if both got a part, or leave the amounts out",
        )
    return replace(fact, actor=actor, **_closing(order, fact, policy, to_buyer=to_buyer, to_seller=to_seller)), ()


def _awarded(order: Order, fact: e.DisputeResolved) -> int:
    """Return what the buyer gets: as given, else what follows from to_seller, else by the outcome."""
    if fact.to_buyer is not None:
        return money.parse(fact.to_buyer, order.currency, "to_buyer", zero=True)
    if fact.to_seller is not None:
        return order.escrow - money.parse_signed(fact.to_seller, order.currency, "to_seller")
    if fact.outcome == "partial":
        raise Refused(
            "R15",
            f"order {order.order_id}: a partial outcome needs to_buyer",
            why="how much the buyer gets back cannot be guessed (R15)",
            hint="give to_buyer; the rest of escrow goes to the seller",
        )
    return order.escrow + order.to_seller if fact.outcome == "buyer-won" else 0


def _closing(order: Order, fact: Closing, policy: Policy, *, to_buyer: int, to_seller: int) -> Changes:
    """Return the amounts, the refund's date and the windows of a closing; a zero amount is left out."""
    changes: Changes = {
        "dispute_until": _window(fact, fact.dispute_until, _dispute_days(fact, policy)),
        "feedback_until": _window(fact, fact.feedback_until, _feedback_days(order, fact, policy)),
    }
    if not isinstance(fact, e.Confirmed):
        changes["to_buyer"] = money.text(to_buyer, order.currency) if to_buyer else None
        changes["refund_by"] = _refund_by(fact, policy) if to_buyer or fact.refund_by else None
    if not isinstance(fact, e.ClosedBySecurity):
        changes["to_seller"] = money.text(to_seller, order.currency) if to_seller else None
    return changes


def _window(fact: Closing, given: datetime | None, days: int) -> datetime | None:
    """Return when a window after closing ends: as given, else after so many days; none opens for no days."""
    if given is not None:
        return given.astimezone(UTC)
    return fact.occurred_at + _days(days) if days else None


def _dispute_days(fact: Closing, policy: Policy) -> int:
    if type(fact) is e.Confirmed:
        return policy.dispute_after_confirmed_days
    if type(fact) is e.Closed and fact.reason == "protection-expired":
        return policy.dispute_after_expiry_days
    return 0


def _feedback_days(order: Order, fact: Closing, policy: Policy) -> int:
    return policy.feedback_days if order.delivered or order.confirmed or type(fact) is e.Confirmed else 0


def _refund_by(fact: e.Closed | e.ClosedBySecurity | e.DisputeResolved, policy: Policy) -> datetime:
    if fact.refund_by is not None:
        return fact.refund_by.astimezone(UTC)
    if isinstance(fact, e.ClosedBySecurity):
        return policy.business_days_after(fact.occurred_at, policy.security_refund_business_days)
    resolved = isinstance(fact, e.DisputeResolved)
    return fact.occurred_at + _days(policy.dispute_refund_days if resolved else policy.refund_days)


def _refunded(order: Order, fact: e.Refunded, actor: e.Actor, policy: Policy) -> Completion:
    """Complete a refund that arrived; what nobody had decided is taken from escrow, then from the seller (R17)."""
    amount = _checked_amount(order, fact)
    if amount > order.paid - order.refunded:
        left = money.text(order.paid - order.refunded, order.currency)
        raise Refused(
            "R17",
            f"order {order.order_id}: a refund of {fact.amount} is more than was paid and not yet refunded",
            why=f"{left} {order.currency} is all that can come back (R17)",
            hint="check the amount; what the bank showed in its own currency goes into account_amount",
        )
    undecided = max(0, amount - order.pending)
    clawed_back = max(0, undecided - order.escrow)
    to_buyer = money.text(undecided, order.currency)
    to_seller = money.text(-clawed_back, order.currency)
    for name, given, follows in (("to_buyer", fact.to_buyer, undecided), ("to_seller", fact.to_seller, -clawed_back)):
        if given is not None and money.parse_signed(given, order.currency, name) != follows:
            raise Refused(
                "R11",
                f"order {order.order_id}: {name} {given} does not follow from this refund",
                why=f"only what nobody had decided before moves with the arrival: {to_buyer} {order.currency} (R17)",
                hint=f"leave {name} out",
            )
    event = replace(
        fact,
        actor=actor,
        amount=money.text(amount, order.currency),
        currency=order.currency,
        account_amount=_account_amount(fact),
        to_buyer=to_buyer if undecided else None,
        to_seller=to_seller if clawed_back else None,
    )
    return event, ("undecided-refund",) if undecided else ()


def _refund_failed(order: Order, fact: e.RefundFailed, actor: e.Actor, policy: Policy) -> Completion:
    return replace(fact, actor=actor), () if order.pending > 0 else ("no-refund",)


def _feedback_left(order: Order, fact: e.FeedbackLeft, actor: e.Actor, policy: Policy) -> Completion:
    in_window = order.feedback_until is not None and fact.occurred_at <= order.feedback_until
    return replace(fact, actor=actor), ("after-window",) if order.base == "closed" and not in_window else ()


COMPLETE: dict[type[e.Event], Callable[[Order, Any, e.Actor, Policy], Completion]] = {
    e.Placed: _placed,
    e.Paid: _paid,
    e.Verified: _verified,
    e.ProcessingExtended: _processing_extended,
    e.CancelRequested: _cancel_requested,
    e.CancelAccepted: _nothing,
    e.CancelDeclined: _tracked,
    e.Shipped: _shipped,
    e.Scanned: _tracked,
    e.DeliveryScan: _delivered,
    e.ProtectionExtended: _protection_extended,
    e.Confirmed: _confirmed,
    e.DisputeOpened: _dispute_opened,
    e.DisputeWithdrawn: _nothing,
    e.DisputeResolved: _dispute_resolved,
    e.Frozen: _frozen,
    e.Unfrozen: _nothing,
    e.ClosedBySecurity: _closed_by_security,
    e.Closed: _closed,
    e.Refunded: _refunded,
    e.RefundFailed: _refund_failed,
    e.FeedbackLeft: _feedback_left,
    e.Noted: _nothing,
}
"""How each event type is completed; a retraction has nothing to complete."""
