"""R10: the same fact again is no error and is not recorded twice; another fact under its id is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from ledger.events import Attachment, Fact, Item
from tests.scenario import (
    AWAITING,
    CONFIRMED,
    PROCESSING,
    SHIPPED,
    VERIFYING,
    after,
    closed,
    closed_by_security,
    confirmed,
    dispute_opened,
    given,
    noted,
    paid,
    placed,
    refunded,
    retracted,
    scanned,
    shipped,
    verified,
)

PLACED = placed(
    at=after(), title="a lamp", items=(Item(quantity=1, price="20.00", sku="x1"),), protection_days=60, marketplace="ae"
)
PAID = paid(at=after(1), method="card")


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"source": "a mail"},
        {"note": "again"},
        {"actor": "buyer"},
        {"amount": "20"},
        {"amount": "020.0"},
        {"currency": "USD"},
        {"verify_by": after(2)},
        {"occurred_at": after(1).astimezone(timezone(timedelta(hours=-3)))},
        {"fact_id": "bank-1"},
    ],
    ids=str,
)
def test_the_same_content(change: dict[str, object]) -> None:
    """Equal by value where the decider completes nothing, and not contradicting where it does."""
    given(PLACED, PAID, verified()).when(replace(PAID, **change)).duplicate(2)


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": after(1, microseconds=1)},
        {"amount": "20.01"},
        {"method": "voucher"},
        {"method": None},
        {"account": "****1234"},
        {"account_amount": "100.00", "account_currency": "BRL"},
        {"verify_by": after(3)},
    ],
    ids=str,
)
def test_other_content(change: dict[str, object]) -> None:
    """A field that differs, is missing, or contradicts what was completed makes it another fact."""
    order = given(PLACED, PAID)
    order.when(replace(PAID, **change)).then("verifying-payment", ("overpaid",)).leaves(version=3)


@pytest.mark.parametrize(
    "change",
    [
        {"items": (Item(quantity=1, price="20", sku="x1"),)},
        {"pay_by": after(20)},
        {"occurred_at": datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))},
        {"note": "seen twice"},
    ],
    ids=str,
)
def test_the_same_order_placed(change: dict[str, object]) -> None:
    """Prices of items are compared by value as well."""
    given(PLACED).when(replace(PLACED, **change)).duplicate(1)


@pytest.mark.parametrize(
    "change",
    [
        {"items": None},
        {"items": (Item(quantity=2, price="20", sku="x1"),)},
        {"items": (Item(quantity=1, price="21", sku="x1"),)},
        {"pay_by": after(21)},
        {"title": None},
        {"protection_days": None},
    ],
    ids=str,
)
def test_another_order_placed(change: dict[str, object]) -> None:
    """A placed that differs is the second one (R8)."""
    given(PLACED).when(replace(PLACED, **change)).refused("R8")


def test_other_types_are_other_facts() -> None:
    """What two types of event have in common does not make them equal."""
    order = given(PLACED, shipped(at=after(1), tracking="A1"))
    order.when(scanned(at=after(1), tracking="A1", checkpoint="accepted")).then("shipped").leaves(version=3)


def test_the_same_id() -> None:
    """One fact_id is one fact: the same content is a duplicate, other content is refused."""
    order = given(PLACED, replace(PAID, fact_id="bank-1"))
    order.when(replace(PAID, fact_id="bank-1", note="again", source="mail")).duplicate(2)
    order.when(PAID).duplicate(2)
    order.when(replace(PAID, fact_id="bank-1", amount="19.00")).refused("R10")
    order.when(replace(PAID, fact_id="bank-1", occurred_at=after(2))).refused("R10")
    order.when(noted(at=after(1), fact_id="bank-1")).refused("R10")
    order.when(replace(PAID, fact_id="bank-1", verify_by=after(9))).refused("R10")


def test_two_ids_are_two_facts() -> None:
    """Two equal payments with ids of their own are two payments."""
    order = given(PLACED, replace(PAID, amount="10.00", fact_id="bank-1"))
    order.when(replace(PAID, amount="10.00", fact_id="bank-2")).then("verifying-payment").leaves(paid="20.00")


def test_an_id_is_one_order_s() -> None:
    """An id without a record is a new fact even where an equal one without an id is not."""
    order = given(PLACED, PAID)
    order.when(replace(PAID, fact_id="bank-1")).duplicate(2)
    order.when(replace(PAID, occurred_at=after(2), fact_id="bank-1")).then("verifying-payment", ("overpaid",))


@pytest.mark.parametrize(
    ("facts", "closing", "again"),
    [
        (SHIPPED, closed(), {"reason": "unknown"}),
        (SHIPPED, closed(), {"to_buyer": "0", "to_seller": "0.00"}),
        (SHIPPED, closed(reason="administration"), {"to_buyer": "20"}),
        (SHIPPED, closed(reason="administration"), {"to_buyer": "20.00", "to_seller": "0"}),
        (SHIPPED, closed(reason="administration", to_buyer="0"), {"to_buyer": "0", "to_seller": "20"}),
        (SHIPPED, closed(reason="administration", to_buyer="0"), {"to_buyer": None}),
        (SHIPPED, confirmed(), {"to_seller": "20"}),
        (PROCESSING, closed_by_security(), {"to_buyer": "20"}),
        ((*CONFIRMED,), refunded(amount="5"), {"to_seller": "-5", "to_buyer": "5"}),
    ],
)
def test_completed_amounts_do_not_contradict(facts: tuple[Fact, ...], closing: Fact, again: dict[str, object]) -> None:
    """What the decider completed may be given or left out when the fact comes again; zero is the same as absent."""
    order = given(*facts, replace(closing, occurred_at=after(1)))
    order.when(replace(closing, occurred_at=after(1), **again)).duplicate(len(facts) + 1)


def test_completed_fields_that_contradict() -> None:
    """A completed field with another value makes it another fact, which the lifecycle then judges."""
    closing = closed(at=after(1))
    order = given(*SHIPPED, closing)
    order.when(replace(closing, reason="administration")).refused("L")
    order.when(replace(closing, to_buyer="5")).refused("L")


def test_every_line_counts_not_only_the_last() -> None:
    """However old, a recorded fact is found again, whatever the order's status is now."""
    order = given(PLACED, PAID, verified(at=after(2)), shipped(at=after(3)), confirmed(at=after(4)))
    for version, fact in enumerate(
        [PLACED, PAID, verified(at=after(2)), shipped(at=after(3)), confirmed(at=after(4))], start=1
    ):
        order.when(fact).duplicate(version)


def test_the_same_fact_is_known_before_any_other_check() -> None:
    """A fact that is in the log already is not asked whether it might happen now."""
    order = given(*AWAITING, replace(PAID, fact_id="bank-1"))
    order.when(replace(PAID, fact_id="bank-1"), now=after(-9)).duplicate(2)


def test_attachments_are_compared() -> None:
    """Two notes are the same only with the same attachments."""
    photo = Attachment(name="parcel.jpg", sha256="0" * 64)
    order = given(*AWAITING, noted(at=after(1), attachments=(photo,)))
    order.when(noted(at=after(1), attachments=(photo,))).duplicate(2)
    order.when(noted(at=after(1))).then("awaiting-payment")


def test_retracted_facts_are_not_brought_back() -> None:
    """A re-import finds the retracted event and leaves it retracted."""
    order = given(PLACED, PAID, retracted(retracts=2))
    order.when(PAID).duplicate(2)
    order.when(replace(PAID, note="again")).duplicate(2)


def test_a_retracted_fact_is_recorded_anew_under_an_id() -> None:
    """Without an id a retracted event equals only facts without one; with its id it is found, and only by it."""
    order = given(PLACED, PAID, retracted(retracts=2))
    anew = order.when(replace(PAID, fact_id="again-1")).then("verifying-payment").leaves(version=4, paid="20.00")
    anew.when(replace(PAID, fact_id="again-1")).duplicate(4)
    named = given(PLACED, replace(PAID, fact_id="bank-1"), retracted(retracts=2))
    named.when(replace(PAID, fact_id="bank-1")).duplicate(2)
    named.when(PAID).duplicate(2)
    named.when(replace(PAID, fact_id="bank-1", amount="5")).refused("R10")
    named.when(replace(PAID, fact_id="bank-2")).then("verifying-payment")


def test_a_retraction_is_a_fact_as_well() -> None:
    """The same retraction again is no error."""
    back = retracted(retracts=2, at=after(2))
    order = given(*VERIFYING, back)
    order.when(back).duplicate(3)
    order.when(retracted(retracts=2, at=after(3))).refused("R23")


def test_a_retracted_placed_is_found_again() -> None:
    """Though the order is unknown then, the same placed is not appended twice, and what came after it neither."""
    order = given(PLACED, PAID, retracted(retracts=2), retracted(retracts=1))
    order.when(PLACED).duplicate(1)
    order.when(PAID).duplicate(2)
    order.when(replace(PLACED, fact_id="anew")).then("awaiting-payment").leaves(version=5)


def test_an_instant_in_two_zones_is_one() -> None:
    """The log keeps the instant in UTC, whatever zone the fact was told in."""
    moscow = replace(PAID, occurred_at=after(1).astimezone(timezone(timedelta(hours=3))))
    order = given(PLACED, moscow)
    assert order.history[1].event.occurred_at.tzinfo == UTC
    order.when(PAID).duplicate(2)
    order.when(moscow).duplicate(2)


def test_every_amount_is_compared_by_value() -> None:
    """A claim and what the bank showed are amounts, too."""
    order = given(*SHIPPED, dispute_opened(at=after(1), claim="7.5"))
    order.when(dispute_opened(at=after(1), claim="07.50")).duplicate(5)
    order.when(dispute_opened(at=after(1), claim="7.51")).then("disputed", ("out-of-turn",))
    shown = paid(at=after(1), account_amount="407.5", account_currency="BRL")
    given(PLACED, shown).when(replace(shown, account_amount="407.50")).duplicate(2)


def test_another_actor_is_another_fact() -> None:
    """A note of the seller is not the buyer's note; without an actor it is whoever wrote it first."""
    order = given(*AWAITING, noted(at=after(1), by="seller"))
    order.when(noted(at=after(1), by="buyer")).then("awaiting-payment", actor="buyer")
    order.when(noted(at=after(1))).duplicate(2)
