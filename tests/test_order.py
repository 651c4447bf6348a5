"""The state of an order: where its money went, and what was believed of it at a moment."""

from datetime import timedelta

import pytest

from ledger.events import Fact
from ledger.order import as_believed, fold
from tests.scenario import (
    AWAITING,
    CONFIRMED,
    NOW,
    ORDER,
    PROCESSING,
    SHIPPED,
    Scenario,
    after,
    closed,
    confirmed,
    delivered,
    dispute_opened,
    dispute_resolved,
    given,
    paid,
    placed,
    refunded,
    retracted,
    scanned,
    shipped,
    verified,
)

DISPUTED = (*SHIPPED, dispute_opened())


@pytest.mark.parametrize(
    ("facts", "answer"),
    [
        (SHIPPED, None),
        ((*CONFIRMED, dispute_opened()), None),
        ((*AWAITING, closed(reason="payment-timeout")), "nobody"),
        ((*SHIPPED, closed()), "escrow"),
        ((*CONFIRMED, paid(amount="1")), "escrow"),
        (CONFIRMED, "seller"),
        ((*SHIPPED, closed(reason="administration")), "buyer"),
        ((*PROCESSING, refunded(), closed(reason="administration")), "buyer"),
        ((*DISPUTED, dispute_resolved(outcome="partial", to_buyer="5")), "split"),
        ((*CONFIRMED, refunded(amount="5")), "split"),
        ((*CONFIRMED, dispute_opened(), dispute_resolved()), "buyer"),
    ],
)
def test_where_the_money_went(facts: tuple[Fact, ...], answer: str | None) -> None:
    """Said of an order that shows closed, by its sums; what is still held is with escrow."""
    given(*facts).leaves(money_went_to=answer)


def versions(scenario: Scenario, *, as_of: float | None = None, known_at: float | None = None) -> list[int]:
    """Return the versions that count at the moment, told in days after the order was placed."""
    lines = as_believed(
        scenario.history,
        as_of=None if as_of is None else after(as_of),
        known_at=None if known_at is None else NOW + timedelta(days=known_at),
    )
    return [line.version for line in lines]


def test_as_of_is_a_prefix() -> None:
    """A late scan belongs to the moment at which everything before it had happened too."""
    order = given(placed(at=after()), paid(at=after(1)), verified(at=after(2)), shipped(at=after(5)))
    order = order.when(scanned(at=after(3))).when(delivered(at=after(6)))
    assert [versions(order, as_of=day) for day in (-1, 0, 1, 4, 5, 6)] == [
        [],
        [1],
        [1, 2],
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5, 6],
    ]


def test_a_retracted_pair_is_left_out_from_its_recording_on() -> None:
    """R23: whatever the as-of, but what was believed before the retraction was recorded is still told."""
    order = given(placed(at=after()), paid(at=after(1)))
    order = order.when(confirmed(at=after(2)), now=NOW + timedelta(days=1))
    order = order.when(retracted(retracts=3, at=after(3)), now=NOW + timedelta(days=2))
    order = order.when(verified(at=after(1.5)), now=NOW + timedelta(days=3))
    assert versions(order, as_of=9) == [1, 2, 5]
    assert versions(order, as_of=1) == [1, 2]
    assert versions(order, as_of=9, known_at=1.5) == [1, 2, 3]
    assert versions(order, as_of=9, known_at=2) == [1, 2]
    before = fold(ORDER, as_believed(order.history, known_at=NOW + timedelta(days=1.5)))
    assert before.status == "closed"
    assert fold(ORDER, as_believed(order.history, known_at=NOW + timedelta(days=2))).status == "verifying-payment"
