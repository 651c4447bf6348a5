"""The rules about who may do what and when: closings, actors, order of arrival, windows, tracking numbers."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from ledger.decide import ADVICE, refuse_odd
from ledger.errors import Refused
from ledger.events import TYPES, Fact
from tests.scenario import (
    AWAITING,
    CONFIRMED,
    DELIVERED,
    NOW,
    PROCESSING,
    SHIPPED,
    VERIFYING,
    after,
    cancel_declined,
    closed,
    confirmed,
    delivered,
    dispute_opened,
    dispute_resolved,
    dispute_withdrawn,
    feedback_left,
    frozen,
    given,
    noted,
    paid,
    placed,
    refund_failed,
    refunded,
    retracted,
    scanned,
    shipped,
    unfrozen,
    verified,
)
from tests.test_lifecycle import BASES, FACTS

ACTORS = ("buyer", "seller", "platform", "carrier")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("tag", "fact"), [(tag, fact) for tag, fact in FACTS.items() if fact.closing])
def test_the_seller_never_closes(tag: str, fact: Fact, base: str) -> None:
    """R1: a closing event by the seller is refused in every status."""
    given(*BASES[base]).when(replace(fact, actor="seller")).refused("R1")


def test_the_seller_does_not_cancel_an_unpaid_order() -> None:
    """R1: not even an order that nobody has paid for."""
    given(*AWAITING).when(closed(reason="cancelled", by="seller")).refused("R1")


def test_buyer_and_platform_close() -> None:
    """R1: the buyer closes by confirming, the platform by closing."""
    given(*DELIVERED).when(confirmed()).then("closed", actor="buyer").leaves(closed_by="buyer")
    given(*SHIPPED).when(closed(reason="administration")).then("closed", actor="platform").leaves(closed_by="platform")


def test_buyer_cancels_while_nothing_is_paid() -> None:
    """The buyer may close an order as cancelled, but only before paying, and for no other reason."""
    order = given(*AWAITING)
    order.when(closed(reason="cancelled", by="buyer")).then("closed").leaves(closed_by="buyer")
    order.when(closed(reason="administration", by="buyer")).refused("R6", "R1")
    order.when(closed(by="buyer")).refused("R6", "R1")
    given(*VERIFYING).when(closed(reason="cancelled", by="buyer")).refused("R6", "R1")
    order = given(*VERIFYING, retracted(retracts=2))
    order.when(closed(reason="cancelled", by="buyer")).then("closed", actor="buyer")


def test_a_closed_order_is_not_reopened() -> None:
    """R2: goods and payment steps after the closing change nothing but the money that arrives."""
    order = given(*CONFIRMED)
    order.when(placed(seller="shop-2")).refused("R8")
    order.when(shipped()).then("closed", ("after-closing",), protected_until=None)
    order.when(verified()).then("closed", ("after-closing",), ship_by=None)
    order.when(paid(amount="5.00")).then("closed", ("after-closing", "overpaid"), verify_by=None).leaves(escrow="5.00")
    order.when(delivered()).then("closed", protected_until=None)


def test_one_orders_again() -> None:
    """R2: a new order names the closed one that it repeats."""
    given().when(placed(reorder_of="8000000000000001")).then("awaiting-payment", reorder_of="8000000000000001")


def test_closing_without_a_known_cause() -> None:
    """R3: no reason is reason unknown: flagged, and the money stays until something settles it."""
    order = given(*SHIPPED).when(closed()).then("closed", ("unknown-cause",), reason="unknown", to_buyer=None)
    order.leaves(escrow="20.00", closure_reason="unknown", refund_by=None)
    given(*SHIPPED).when(closed(reason="unknown")).then("closed", ("unknown-cause",), to_seller=None)
    order.when(refunded()).then("closed", ("undecided-refund",), to_buyer="20.00").leaves(escrow="0.00")
    resolved = order.when(dispute_opened()).then("disputed").when(dispute_resolved(outcome="seller-won"))
    resolved.then("closed", to_seller="20.00").leaves(escrow="0.00", closure_reason="dispute-resolved")


@pytest.mark.parametrize(
    "checkpoint",
    ["accepted", "sorting", "export", "customs-in", "customs-out", "import", "attempted", "held", "returned"],
)
def test_a_checkpoint_is_not_a_status(checkpoint: str) -> None:
    """R4: post and customs change nothing of the order, only the delivery scan does."""
    given(*SHIPPED).when(scanned(checkpoint=checkpoint)).then("shipped")
    given(*DELIVERED).when(scanned(checkpoint=checkpoint)).then("delivered")
    given(*CONFIRMED).when(scanned(checkpoint=checkpoint)).then("closed")
    given(*SHIPPED).when(delivered()).then("delivered")


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("tag", [tag for tag in FACTS if tag not in ("noted", "retracted")])
def test_only_the_usual_actor(tag: str, actor: str) -> None:
    """R6: whoever else does it, it is refused, before the lifecycle is asked; without an actor it is the usual one."""
    fact = FACTS[tag]
    if actor != fact.usual_actor:
        rules = ("R1", "R6") if fact.closing else ("R6",)
        order = given() if tag == "placed" else given(*CONFIRMED)
        order.when(replace(fact, actor=actor)).refused(*rules)


def test_the_usual_actor_is_written_down() -> None:
    """A fact without an actor becomes an event with the type's usual one."""
    given(*VERIFYING).when(verified()).then(actor="platform")
    given(*PROCESSING).when(shipped()).then(actor="seller")
    given(*SHIPPED).when(scanned()).then(actor="carrier")
    given(*SHIPPED).when(dispute_opened()).then(actor="buyer")
    given(*AWAITING).when(closed(reason="cancelled")).then(actor="platform")


@pytest.mark.parametrize("actor", ACTORS)
def test_anyone_notes_and_retracts(actor: str) -> None:
    """A note and a retraction may come from anyone."""
    given(*AWAITING).when(noted(by=actor)).then("awaiting-payment", actor=actor)
    given(*VERIFYING).when(retracted(retracts=2, by=actor)).then("awaiting-payment", actor=actor)


@pytest.mark.parametrize("tag", [tag for tag in TYPES if tag != "placed"])
def test_an_order_begins_with_placed(tag: str) -> None:
    """R7: nothing happens to an order nobody placed."""
    fact = retracted(retracts=1) if tag == "retracted" else closed() if tag == "closed" else FACTS[tag]
    given().when(fact).refused("R7")
    given().when(placed()).then("awaiting-payment")


def test_an_order_is_placed_once() -> None:
    """R8: a second, different placed is refused; the same one is no error."""
    order = given(placed(at=after()), paid())
    order.when(placed(at=after(), amount="21.00")).refused("R8")
    order.when(placed(at=after(hours=9))).refused("R8")
    order.when(placed(at=after())).duplicate(1)


def test_an_earlier_event_is_out_of_order() -> None:
    """R9: earlier than the latest so far is flagged, at the same instant is not."""
    order = given(placed(), paid(at=after(2)))
    order.when(verified(at=after(2))).then("processing")
    answer = order.when(verified(at=after(1))).then("processing", ("out-of-order",))
    assert answer.history[-1].effective_at == after(2)
    latest = answer.when(shipped(at=after(1.5))).then("shipped", ("out-of-order",))
    assert latest.history[-1].effective_at == after(2)
    assert answer.when(shipped(at=after(3))).then("shipped").history[-1].effective_at is None


def test_parcel_scans_may_arrive_late() -> None:
    """R9: post and customs report late; their scans are never out of order."""
    order = given(*PROCESSING, shipped(at=after(9)))
    answer = order.when(scanned(at=after(3))).then("shipped").when(delivered(at=after(4))).then("delivered")
    assert answer.history[-1].effective_at == after(9)
    order.when(noted(at=after(8))).then("shipped", ("out-of-order",))


def test_a_late_scan_is_the_latest_event_for_others() -> None:
    """R9 asks for the latest event of any type: a scan counts for those that come after it."""
    given(*SHIPPED, scanned(at=after(9))).when(noted(at=after(8))).then("shipped", ("out-of-order",))


def test_the_future_is_refused() -> None:
    """R9: five minutes after now are inside, anything later is not."""
    edge = NOW + timedelta(minutes=5)
    given(*AWAITING).when(paid(at=edge)).then("verifying-payment")
    given(*AWAITING).when(paid(at=edge + timedelta(microseconds=1))).refused("R9")
    given(*AWAITING).when(paid(at=after(1)), now=after(1)).then("verifying-payment")
    given().when(placed(at=edge + timedelta(seconds=1))).refused("R9")
    given(*VERIFYING).when(retracted(retracts=2, at=edge + timedelta(seconds=1))).refused("R9")


def test_checks_come_in_their_order() -> None:
    """Same fact, R7/R8, actor, future, lifecycle, R12, money: the first that refuses gives its name."""
    late = NOW + timedelta(hours=1)
    given().when(paid(by="seller", at=late, amount="-1")).refused("R7")
    given(*AWAITING).when(placed(by="seller", at=late, amount="-1")).refused("R8")
    given(*AWAITING).when(paid(by="seller", at=late, amount="-1")).refused("R6")
    given(*AWAITING).when(refunded(at=late, amount="-1")).refused("R9")
    given(*AWAITING).when(refunded(amount="-1")).refused("L")
    given(*AWAITING).when(paid(amount="-1")).refused("R11")
    refund = given(*SHIPPED, closed(reason="administration"))
    refund.when(dispute_opened(claim="-1")).refused("R12")
    given(*SHIPPED).when(dispute_opened(claim="-1")).refused("R11")


def test_dispute_within_the_window_after_closing() -> None:
    """R12: up to and with the last instant of the window a closed order may be disputed."""
    order = given(*DELIVERED, confirmed(at=after(10))).leaves(dispute_until=after(17))
    order.when(dispute_opened(at=after(17))).then("disputed").leaves(base="closed")
    order.when(dispute_opened(at=after(17, microseconds=1))).then("disputed", ("after-window",))
    expired = given(*SHIPPED, closed(reason="protection-expired", at=after(10))).leaves(dispute_until=after(25))
    expired.when(dispute_opened(at=after(25))).then("disputed")
    expired.when(dispute_opened(at=after(26))).then("disputed", ("after-window",))


def test_dispute_over_nothing() -> None:
    """R12: where neither escrow nor seller has money, there is nothing to dispute."""
    given(*SHIPPED, closed(reason="administration")).when(dispute_opened()).refused("R12")
    given(*AWAITING, closed(reason="payment-timeout")).when(dispute_opened()).refused("R12")
    held = given(*SHIPPED, closed(to_buyer="5.00"))
    held.when(dispute_opened()).then("disputed")


def test_dispute_after_an_unknown_closing() -> None:
    """R12: a closing of unknown cause may be disputed at any time."""
    given(*SHIPPED, closed()).when(dispute_opened(at=after(900))).then("disputed")


def test_dispute_where_no_window_opened() -> None:
    """R12: a closing that opened no window is disputed after it, with that one flag."""
    order = given(*SHIPPED, closed(reason="cancelled", to_seller="20.00"))
    order.when(dispute_opened()).then("disputed", ("after-window",))


def test_disputed_again_while_disputed() -> None:
    """R12: under a dispute over a closed order another one is flagged as such, and refused when nothing is left."""
    order = given(*CONFIRMED, dispute_opened())
    order.when(dispute_opened(reason="other")).then("disputed", ("after-closing",))
    order = order.when(refunded()).then("disputed", ("undecided-refund",)).leaves(to_seller="0.00", escrow="0.00")
    order.when(dispute_opened(reason="other")).refused("R12")


def test_the_window_is_that_of_the_last_closing() -> None:
    """A dispute that was resolved leaves no window: another one comes after it."""
    order = given(*CONFIRMED, dispute_opened(), dispute_resolved(outcome="seller-won")).leaves(dispute_until=None)
    order.when(dispute_opened(reason="other")).then("disputed", ("after-window",))
    given(*CONFIRMED, dispute_opened(), dispute_withdrawn()).when(dispute_opened(reason="other")).then("disputed")


def test_feedback_within_its_window() -> None:
    """Feedback is left until the window's last instant; later, or where none opened, it is after the window."""
    order = given(*DELIVERED, confirmed(at=after(10))).leaves(feedback_until=after(40))
    order.when(feedback_left(at=after(40))).then("closed")
    order.when(feedback_left(at=after(40, microseconds=1))).then("closed", ("after-window",))
    given(*SHIPPED, closed(reason="administration")).when(feedback_left()).then("closed", ("after-window",))
    given(*DELIVERED).when(feedback_left()).then("delivered", ("out-of-turn",))


def test_refund_that_fails() -> None:
    """A bounced refund is flagged only where no refund was on its way."""
    order = given(*SHIPPED, closed(reason="administration"))
    order.when(refund_failed()).then("closed").leaves(pending="20.00")
    order.when(refunded()).then("closed").when(refund_failed()).then("closed", ("no-refund",))
    given(*CONFIRMED).when(refund_failed()).then("closed", ("no-refund",))


def test_ambiguous_time_is_said_by_the_fact() -> None:
    """A local time that occurred twice is flagged where the fact says so, and it is only advice."""
    given(*AWAITING).when(paid(ambiguous_time=True)).then("verifying-payment", ("ambiguous-time",))
    given(*AWAITING).when(paid(ambiguous_time=False)).then("verifying-payment")
    assert frozenset({"ambiguous-time", "tracking-check-digit"}) == ADVICE


@pytest.mark.parametrize(
    "good", ["RR473124829GB", "LP00123456789012", "4PX3000123456789CN", "RR4731248GB", "1234567890123", "ABCDEFGHIJKLM"]
)
def test_tracking_numbers_that_pass(good: str) -> None:
    """A right check digit, or a number that does not look like UPU S10, is no oddity."""
    given(*PROCESSING).when(shipped(tracking=good)).then("shipped", tracking=good)


@pytest.mark.parametrize("digit", "0123456789")
def test_check_digit_of_a_tracking_number(digit: str) -> None:
    """Of the ten possible check digits of a UPU S10 number one is right."""
    odd = () if digit == "9" else ("tracking-check-digit",)
    given(*PROCESSING).when(shipped(tracking=f"RR47312482{digit}GB")).then("shipped", odd)


@pytest.mark.parametrize(
    ("number", "digit"), [("00000000", "5"), ("00000006", "2"), ("00000008", "0"), ("10000000", "3")]
)
def test_check_digits_worked_by_hand(number: str, digit: str) -> None:
    """Weights 8 6 4 2 3 5 9 7; eleven less the rest of eleven; ten is written 0 and eleven is written 5."""
    given(*PROCESSING).when(shipped(tracking=f"EE{number}{digit}CN")).then("shipped")


@pytest.mark.parametrize("fact", [shipped, scanned, delivered])
def test_every_tracking_number_is_looked_at(fact: Callable[..., Fact]) -> None:
    """Scans and shipments alike tell a wrong check digit; so does the seller's proof against a cancellation."""
    flag = ("tracking-check-digit",)
    given(*SHIPPED).when(fact(tracking="RR473124820GB")).then(odd=flag)
    given(*PROCESSING, FACTS["cancel-requested"]).when(cancel_declined(tracking="RR473124820GB")).then(odd=flag)


def test_several_flags_at_once() -> None:
    """An event tells everything that is odd about it."""
    order = given(placed(), paid(amount="5.00", at=after(5)))
    late = shipped(at=after(4), tracking="RR473124820GB", ambiguous_time=True)
    order.when(late).then("shipped", ("gap", "out-of-order", "tracking-check-digit", "ambiguous-time"))
    order.when(verified(at=after(4))).then("processing", ("out-of-order", "underpaid"))
    given(*VERIFYING, frozen(at=after(3))).when(unfrozen(at=after(2))).then("verifying-payment", ("out-of-order",))


def test_odd_facts_are_refused_where_that_is_asked_for() -> None:
    """R13: at the prompt any flag refuses the fact, but for advice alone."""
    fact = shipped()
    refuse_odd(fact, (), hint="")
    refuse_odd(fact, ("tracking-check-digit", "ambiguous-time"), hint="")
    with pytest.raises(Refused, match="gap") as refusal:
        refuse_odd(fact, ("gap", "ambiguous-time"), hint="say --allow-odd")
    assert (refusal.value.rule, refusal.value.hint) == ("R13", "say --allow-odd")
    assert "ambiguous-time" not in refusal.value.what


def test_dates_that_no_calendar_holds() -> None:
    """An instant beyond the year 9999, or whose timer would be, is malformed and no crash."""
    edge = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-3)))
    given().when(placed(at=edge)).refused("F")
    given().when(placed(at=after(), pay_by=edge)).refused("F")
    last_week = datetime(9999, 12, 25, tzinfo=UTC)
    given().when(placed(at=last_week), now=last_week).refused("F")
