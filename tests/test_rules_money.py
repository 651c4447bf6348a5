"""The rules about money: where it goes at each closing, what was given wins, and none moves that is not there."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ledger.events import Fact, Item
from tests.scenario import (
    AWAITING,
    CANCELLING,
    CONFIRMED,
    DELIVERED,
    PROCESSING,
    SHIPPED,
    VERIFYING,
    Scenario,
    after,
    closed,
    closed_by_security,
    confirmed,
    delivered,
    dispute_opened,
    dispute_resolved,
    given,
    paid,
    placed,
    refund_failed,
    refunded,
    retracted,
    shipped,
    verified,
)

DISPUTED = (*SHIPPED, dispute_opened())
REVIEWED = (*CONFIRMED, dispute_opened())  # the seller has the money, and the buyer disputes it within the window


@pytest.mark.parametrize("amount", ["0", "0.00", "-1.00", "+1.00", "1.234", "1.000", "100000000000000", "-0"])
@pytest.mark.parametrize("fact", [placed, paid, refunded])
def test_amounts_that_cannot_be(fact: Callable[..., Fact], amount: str) -> None:
    """R11: zero, signs, too many decimals and 10^14 are refused in every amount that moves or is asked."""
    order = given() if fact is placed else given(*AWAITING) if fact is paid else given(*SHIPPED)
    order.when(fact(amount=amount)).refused("R11", *(["R17"] if fact is refunded else []))


@pytest.mark.parametrize("amount", ["0", "-1.00", "+1.00", "1.234", "100000000000000"])
def test_claims_that_cannot_be(amount: str) -> None:
    """R11: a claim is an amount of money, too."""
    given(*SHIPPED).when(dispute_opened(claim=amount)).refused("R11")
    given(*SHIPPED).when(dispute_opened(claim="7.5")).then("disputed", claim="7.50")


@pytest.mark.parametrize(
    ("written", "kept"), [("20", "20.00"), ("20.5", "20.50"), ("020.50", "20.50"), ("0.01", "0.01")]
)
def test_amounts_are_kept_with_the_currency_s_decimals(written: str, kept: str) -> None:
    """R11: what is stored has exactly the decimals of the currency."""
    given().when(placed(amount=written)).then("awaiting-payment", amount=kept)
    given(placed(amount="50")).when(paid(amount=written)).then("verifying-payment", amount=kept)


@pytest.mark.parametrize(
    ("currency", "amount", "kept"), [("JPY", "1230", "1230"), ("KWD", "1.234", "1.234"), ("KWD", "1.2", "1.200")]
)
def test_currencies_have_their_own_decimals(currency: str, amount: str, kept: str) -> None:
    """R11: none for the yen, three for the dinar."""
    order = given().when(placed(amount=amount, currency=currency)).then("awaiting-payment", amount=kept)
    order.when(paid(amount=amount)).then("verifying-payment", amount=kept)


def test_currencies_that_are_refused() -> None:
    """R11: an unknown currency, another than the order's, decimals that the currency does not have."""
    given().when(placed(currency="ZZZ")).refused("R11")
    given().when(placed(currency="JPY", amount="12.30")).refused("R11")
    given().when(placed(currency="JPY", amount="12.0")).refused("R11")
    given(*AWAITING).when(paid(currency="EUR")).refused("R11")
    given(*SHIPPED).when(refunded(currency="EUR")).refused("R11")
    given(*AWAITING).when(paid(currency="USD")).then("verifying-payment")


def test_the_largest_amount() -> None:
    """R11: just below 10^14 is an amount."""
    given(placed(amount="99999999999999.99")).when(paid(amount="99999999999999.99")).then("verifying-payment")


def test_prices_of_items() -> None:
    """R11: a price may be zero, but has no sign and no further decimals; it is kept with the currency's decimals."""
    given().when(placed(items=(Item(quantity=1, price="0"), Item(quantity=2, price="9.5")))).then(
        items=(Item(quantity=1, price="0.00"), Item(quantity=2, price="9.50"))
    )
    for price in ("-1.00", "+1.00", "1.234", "1.000", "100000000000000"):
        given().when(placed(items=(Item(quantity=1, price=price),))).refused("R11")


@pytest.mark.parametrize("fact", [paid, refunded])
def test_what_the_bank_showed(fact: Callable[..., Fact]) -> None:
    """R18a: the account's amount has its own currency, both are given or none, and the books do not count it."""
    order = given(*AWAITING) if fact is paid else given(*SHIPPED, closed(reason="administration"))
    answer = order.when(fact(account_amount="407.5", account_currency="BRL"))
    answer.then(account_amount="407.50", account_currency="BRL", amount="20.00").leaves(paid="20.00")
    order.when(fact(account_amount="407.47")).refused("R11")
    order.when(fact(account_currency="BRL")).refused("R11")
    order.when(fact(account_amount="407.475", account_currency="BRL")).refused("R11")
    order.when(fact(account_amount="407", account_currency="ZZZ")).refused("R11")
    order.when(fact(account_amount="0", account_currency="BRL")).refused("R11")


EXPECTED = [
    (DELIVERED, confirmed(), None, "20.00", None),
    (SHIPPED, closed(reason="protection-expired"), None, "20.00", None),
    (AWAITING, closed(reason="payment-timeout"), None, None, None),
    (VERIFYING, closed(reason="payment-timeout"), "20.00", None, 14),
    (PROCESSING, closed(reason="not-shipped"), "20.00", None, 14),
    (PROCESSING, closed(reason="out-of-stock"), "20.00", None, 14),
    (SHIPPED, closed(reason="administration"), "20.00", None, 14),
    (CANCELLING, closed(reason="cancelled"), "20.00", None, 14),
    (AWAITING, closed(reason="cancelled", by="buyer"), None, None, None),
    (AWAITING, closed(reason="administration"), None, None, None),
    (SHIPPED, closed_by_security(), "20.00", None, 27),
    (DISPUTED, dispute_resolved(outcome="buyer-won"), "20.00", None, 7),
    (DISPUTED, dispute_resolved(outcome="partial", to_buyer="5"), "5.00", "15.00", 7),
    (DISPUTED, dispute_resolved(outcome="seller-won"), None, "20.00", None),
    (SHIPPED, closed(reason="unknown"), None, None, None),
    (REVIEWED, dispute_resolved(outcome="buyer-won"), "20.00", "-20.00", 7),
    (REVIEWED, dispute_resolved(outcome="partial", to_buyer="5"), "5.00", "-5.00", 7),
    (REVIEWED, dispute_resolved(outcome="seller-won"), None, None, None),
]


@pytest.mark.parametrize(("facts", "closing", "to_buyer", "to_seller", "days"), EXPECTED)
def test_where_the_money_goes(
    facts: tuple[Fact, ...], closing: Fact, to_buyer: str | None, to_seller: str | None, days: int | None
) -> None:
    """R15, R16: each closing sends the money held its own way, zero amounts are left out, a refund has its time."""
    order = given(*facts, replace(closing, occurred_at=after(1)))
    event = order.history[-1].event
    assert getattr(event, "to_buyer", None) == to_buyer
    assert getattr(event, "to_seller", None) == to_seller
    assert getattr(event, "refund_by", None) == (None if days is None else after(1 + days))
    order.leaves(refund_by=None if days is None else after(1 + days))


GIVEN_ACCEPTED = [
    (SHIPPED, closed(reason="administration", to_buyer="5"), "5.00", "15.00"),
    (SHIPPED, closed(reason="administration", to_seller="5"), "15.00", "5.00"),
    (SHIPPED, closed(reason="administration", to_seller="20.00"), None, "20.00"),
    (SHIPPED, closed(reason="administration", to_buyer="0", to_seller="20"), None, "20.00"),
    (SHIPPED, closed(reason="protection-expired", to_buyer="20"), "20.00", None),
    (SHIPPED, closed(reason="protection-expired", to_buyer="1", to_seller="19"), "1.00", "19.00"),
    (SHIPPED, closed(to_buyer="5"), "5.00", None),
    (SHIPPED, closed(to_seller="5"), None, "5.00"),
    (SHIPPED, closed(to_buyer="5", to_seller="6"), "5.00", "6.00"),
    (SHIPPED, closed(to_buyer="5", to_seller="15"), "5.00", "15.00"),
    (DELIVERED, confirmed(to_seller="20"), None, "20.00"),
    (SHIPPED, closed_by_security(to_buyer="20"), "20.00", None),
    (DISPUTED, dispute_resolved(outcome="partial", to_seller="5"), "15.00", "5.00"),
    (DISPUTED, dispute_resolved(outcome="partial", to_buyer="20"), "20.00", None),
    (DISPUTED, dispute_resolved(outcome="buyer-won", to_buyer="20"), "20.00", None),
    (DISPUTED, dispute_resolved(outcome="buyer-won", to_seller="0"), "20.00", None),
    (DISPUTED, dispute_resolved(outcome="seller-won", to_buyer="0"), None, "20.00"),
    (DISPUTED, dispute_resolved(outcome="seller-won", to_seller="20"), None, "20.00"),
    (REVIEWED, dispute_resolved(outcome="buyer-won", to_buyer="12"), "12.00", "-12.00"),
    (REVIEWED, dispute_resolved(outcome="buyer-won", to_seller="-12"), "12.00", "-12.00"),
    (REVIEWED, dispute_resolved(outcome="buyer-won", to_buyer="0"), None, None),
    (REVIEWED, dispute_resolved(outcome="partial", to_buyer="20", to_seller="-20"), "20.00", "-20.00"),
    (REVIEWED, dispute_resolved(outcome="seller-won", to_seller="0"), None, None),
]


@pytest.mark.parametrize(("facts", "closing", "to_buyer", "to_seller"), GIVEN_ACCEPTED)
def test_given_amounts_win(facts: tuple[Fact, ...], closing: Fact, to_buyer: str | None, to_seller: str | None) -> None:
    """R15a: an amount that is given wins over the direction of its reason, and the missing one follows."""
    event = given(*facts, closing).history[-1].event
    assert getattr(event, "to_buyer", None) == to_buyer
    assert getattr(event, "to_seller", None) == to_seller


GIVEN_REFUSED = [
    (SHIPPED, closed(reason="administration", to_buyer="20.01")),
    (SHIPPED, closed(reason="administration", to_seller="20.01")),
    (SHIPPED, closed(reason="administration", to_buyer="5", to_seller="14.99")),
    (SHIPPED, closed(reason="administration", to_buyer="5", to_seller="15.01")),
    (SHIPPED, closed(reason="administration", to_buyer="-5")),
    (SHIPPED, closed(reason="administration", to_buyer="25", to_seller="-5")),
    (SHIPPED, closed(reason="administration", to_buyer="5.000")),
    (SHIPPED, closed(to_buyer="20.01")),
    (SHIPPED, closed(to_buyer="15", to_seller="5.01")),
    (SHIPPED, closed(to_seller="-1")),
    (AWAITING, closed(reason="payment-timeout", to_buyer="1")),
    (DELIVERED, confirmed(to_seller="19.99")),
    (DELIVERED, confirmed(to_seller="20.01")),
    (DELIVERED, confirmed(to_seller="0")),
    (SHIPPED, closed_by_security(to_buyer="19.99")),
    (SHIPPED, closed_by_security(to_buyer="0")),
    (DISPUTED, dispute_resolved(outcome="partial", to_buyer="0")),
    (DISPUTED, dispute_resolved(outcome="partial", to_seller="20")),
    (DISPUTED, dispute_resolved(outcome="partial", to_buyer="20.01")),
    (DISPUTED, dispute_resolved(outcome="partial", to_buyer="5", to_seller="14")),
    (DISPUTED, dispute_resolved(outcome="buyer-won", to_buyer="5")),
    (DISPUTED, dispute_resolved(outcome="buyer-won", to_seller="5")),
    (DISPUTED, dispute_resolved(outcome="seller-won", to_buyer="5")),
    (DISPUTED, dispute_resolved(outcome="seller-won", to_seller="15")),
    (REVIEWED, dispute_resolved(outcome="buyer-won", to_buyer="20.01")),
    (REVIEWED, dispute_resolved(outcome="partial", to_buyer="5", to_seller="0")),
    (REVIEWED, dispute_resolved(outcome="partial", to_seller="-20.01")),
    (REVIEWED, dispute_resolved(outcome="partial", to_seller="1")),
    (REVIEWED, dispute_resolved(outcome="seller-won", to_seller="-5")),
]


@pytest.mark.parametrize(("facts", "closing"), GIVEN_REFUSED)
def test_given_amounts_must_agree(facts: tuple[Fact, ...], closing: Fact) -> None:
    """R15a: amounts that do not add up, that are not there, or that contradict the outcome are refused."""
    given(*facts).when(closing).refused("R11", "R15a")


def test_a_split_must_be_told() -> None:
    """R15: a partial outcome without amounts is refused."""
    given(*DISPUTED).when(dispute_resolved(outcome="partial")).refused("R11", "R15", "R15a")


def test_refund_by_given_wins() -> None:
    """A due date that the fact gives is kept; without a bound of its own a refund has 14 days."""
    given(*SHIPPED).when(closed(reason="administration", refund_by=after(3))).then("closed", refund_by=after(3))
    given(*SHIPPED).when(closed(to_buyer="5", at=after(1))).then("closed", ("unknown-cause",), refund_by=after(15))
    expired = closed(reason="protection-expired", to_buyer="5", at=after(1))
    given(*SHIPPED).when(expired).then("closed", refund_by=after(15))


def test_escrow_is_empty_after_closing() -> None:
    """R14: only a closing of unknown cause and a payment that comes later leave money in escrow."""
    order = given(*CONFIRMED).leaves(escrow="0.00", to_seller="20.00", paid="20.00")
    order.when(paid(amount="3.00")).leaves(escrow="3.00", status="closed")
    late = given(*AWAITING, closed(reason="payment-timeout")).when(paid())
    late.then("closed", ("after-closing",)).leaves(escrow="20.00", pending="0.00")
    late.when(refunded()).then("closed", ("undecided-refund",), to_buyer="20.00", to_seller=None).leaves(escrow="0.00")


def test_money_that_came_late_is_settled_by_a_dispute() -> None:
    """A dispute over a closed order decides about what is in escrow and what the seller got."""
    order = given(*CONFIRMED, paid(amount="3.00"), dispute_opened())
    won = order.when(dispute_resolved(outcome="buyer-won")).then("closed", to_buyer="23.00", to_seller="-20.00")
    won.leaves(escrow="0.00", to_seller="0.00", pending="23.00")
    partial = order.when(dispute_resolved(outcome="partial", to_buyer="5")).then(to_buyer="5.00", to_seller="-2.00")
    partial.leaves(escrow="0.00", to_seller="18.00", pending="5.00")
    order.when(dispute_resolved(outcome="buyer-won", to_buyer="2")).refused("R11", "R15a")
    order.when(dispute_resolved(outcome="buyer-won", to_buyer="3")).then(to_buyer="3.00", to_seller=None)


def test_refund_on_its_way_arrives() -> None:
    """A refund that was decided arrives, in one piece or in several, and moves nothing else."""
    order = given(*SHIPPED, closed(reason="administration")).leaves(pending="20.00", to_buyer="20.00")
    first = order.when(refunded(amount="12.00")).then("closed", to_buyer=None, to_seller=None).leaves(pending="8.00")
    second = first.when(refunded(amount="8.00")).then("closed").leaves(pending="0.00", refunded="20.00")
    second.when(refunded(amount="0.01")).refused("R17")


UNDECIDED = [
    (PROCESSING, "5", ("out-of-turn",), "5.00", None),
    (PROCESSING, "20", ("out-of-turn",), "20.00", None),
    (CONFIRMED, "5", (), "5.00", "-5.00"),
    (CONFIRMED, "20", (), "20.00", "-20.00"),
    ((*SHIPPED, closed(to_buyer="5")), "8", (), "3.00", None),
    ((*SHIPPED, closed(to_buyer="5", to_seller="5")), "18", (), "13.00", "-3.00"),
    ((*DISPUTED, dispute_resolved(outcome="partial", to_buyer="8")), "10", (), "2.00", "-2.00"),
    ((*CONFIRMED, paid(amount="3")), "5", (), "5.00", "-2.00"),
]


@pytest.mark.parametrize(("facts", "amount", "odd", "to_buyer", "to_seller"), UNDECIDED)
def test_refund_that_nobody_decided(
    facts: tuple[Fact, ...], amount: str, odd: tuple[str, ...], to_buyer: str, to_seller: str | None
) -> None:
    """R17: what arrives above what is on its way comes out of escrow first, then from the seller."""
    answer = given(*facts).when(refunded(amount=amount))
    answer.then(None, ("undecided-refund", *odd), to_buyer=to_buyer, to_seller=to_seller).leaves(pending="0.00")


def test_refund_of_more_than_was_paid() -> None:
    """R17: nobody gets back more than is paid and not yet refunded."""
    given(*PROCESSING).when(refunded(amount="20.01")).refused("R17", "R11")
    order = given(*SHIPPED, closed(reason="administration"), refunded(amount="12.00"))
    order.when(refunded(amount="8.01")).refused("R17", "R11")
    given(*VERIFYING, retracted(retracts=2), paid(amount="1"), verified()).when(refunded()).refused("R17", "R11")


def test_the_parts_of_a_refund_follow_from_the_books() -> None:
    """R17: given parts must be those that the arithmetic gives."""
    order = given(*CONFIRMED)
    order.when(refunded(amount="5", to_buyer="5", to_seller="-5")).then("closed", ("undecided-refund",))
    order.when(refunded(amount="5", to_buyer="4")).refused("R17", "R11", "R15a")
    order.when(refunded(amount="5", to_seller="0")).refused("R17", "R11", "R15a")


def test_voucher_and_card_add_up() -> None:
    """R18: the first payment moves the order on, the others add to it; above the amount is flagged."""
    order = given(placed()).when(paid(amount="5", method="voucher")).then("verifying-payment")
    order = order.when(paid(amount="15", method="card")).then("verifying-payment").leaves(paid="20.00", escrow="20.00")
    order.when(verified()).then("processing")
    order.when(paid(amount="0.01")).then("verifying-payment", ("overpaid",)).leaves(paid="20.01")


def test_underpaid() -> None:
    """R18: verified while less than the amount is paid; refunds are not subtracted."""
    given(placed(), paid(amount="19.99")).when(verified()).then("processing", ("underpaid",))
    given(*VERIFYING, refunded(amount="5")).when(verified()).then("processing")
    given(*VERIFYING, refunded(amount="5")).when(paid(amount="5")).then("verifying-payment", ("overpaid",))


def test_sums_are_of_the_payments_in_force() -> None:
    """R18, R23: a retracted payment is not counted."""
    order = given(*VERIFYING, retracted(retracts=2))
    order = order.when(paid(amount="15", fact_id="second")).then("verifying-payment").leaves(paid="15.00")
    order.when(verified()).then("processing", ("underpaid",))


def test_closing_early_is_no_oddity() -> None:
    """R16: the lengths are partly assumptions, so a closing before its timer is out is fine."""
    given(*SHIPPED).when(closed(reason="protection-expired", at=after(1))).then("closed")
    given(*PROCESSING).when(closed(reason="not-shipped", at=after(1))).then("closed")
    given(*AWAITING).when(closed(reason="payment-timeout", at=after(1))).then("closed")


def test_a_bounced_refund_is_still_owed() -> None:
    """A failed refund moves no money; it arrives later."""
    order: Scenario = given(*SHIPPED, delivered(), closed(reason="administration"), refund_failed())
    order.leaves(pending="20.00", refunded="0.00").when(refunded()).then("closed").leaves(pending="0.00")
    given(*PROCESSING, shipped(), refunded(amount="1"), closed_by_security()).leaves(pending="19.00", to_buyer="20.00")


def test_closing_when_nothing_is_held_any_more() -> None:
    """A closing after everything was refunded moves nothing, and says so by leaving the amounts out."""
    order = given(*PROCESSING, shipped(), refunded())
    order.when(confirmed()).then("closed", ("gap",), to_seller=None).leaves(to_buyer="20.00", to_seller="0.00")
    order.when(closed_by_security()).then("closed", to_buyer=None, refund_by=None)
    order.when(closed(reason="administration", to_buyer="0.01")).refused("R11", "R15a")


def test_seller_won_releases_what_is_held() -> None:
    """What came in after the closing goes to the seller as well when the seller wins."""
    order = given(*CONFIRMED, paid(amount="3.00"), dispute_opened())
    order.when(dispute_resolved(outcome="seller-won")).then("closed", to_seller="3.00", to_buyer=None, refund_by=None)
