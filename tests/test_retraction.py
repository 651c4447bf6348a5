"""R23: nothing is edited; the latest event is taken back, and everything is as if it had never happened."""

import pytest

from ledger.events import Fact
from tests.scenario import (
    AWAITING,
    CANCELLING,
    CONFIRMED,
    DELIVERED,
    PROCESSING,
    SHIPPED,
    VERIFYING,
    after,
    closed,
    closed_by_security,
    confirmed,
    delivered,
    dispute_opened,
    dispute_resolved,
    frozen,
    given,
    noted,
    paid,
    placed,
    refunded,
    retracted,
    shipped,
    state,
    verified,
)


@pytest.mark.parametrize(
    ("facts", "last"),
    [
        (AWAITING, paid()),
        (VERIFYING, paid(amount="5")),
        (VERIFYING, verified()),
        (PROCESSING, shipped()),
        (SHIPPED, shipped(tracking="A2")),
        (SHIPPED, delivered()),
        (SHIPPED, frozen()),
        (SHIPPED, dispute_opened()),
        (SHIPPED, refunded(amount="5")),
        (DELIVERED, confirmed()),
        (CANCELLING, closed(reason="cancelled")),
        (SHIPPED, closed()),
        ((*SHIPPED, dispute_opened(), frozen()), closed_by_security()),
        ((*CONFIRMED, dispute_opened()), dispute_resolved()),
        ((*SHIPPED, closed(reason="administration")), refunded()),
        (CONFIRMED, noted()),
    ],
)
def test_taking_back_restores_everything(facts: tuple[Fact, ...], last: Fact) -> None:
    """Status, money, timers and closure are those of before, though the two lines count as versions."""
    before = given(*facts)
    back = before.when(last).when(retracted(retracts=len(facts) + 1))
    back.then(before.order.status, why="a typing mistake").leaves(version=len(facts) + 2)
    assert state(back.order) == state(before.order)
    assert [line.version for line in back.order.in_force()] == [line.version for line in before.history]


def test_one_after_the_other() -> None:
    """Earlier events are taken back from the end, each by its version in force."""
    order = given(*SHIPPED)
    order.when(retracted(retracts=3)).refused("R23")
    order = order.when(retracted(retracts=4)).then("processing")
    order.when(retracted(retracts=4)).refused("R23")
    order = order.when(retracted(retracts=3)).then("verifying-payment")
    order = order.when(retracted(retracts=2)).then("awaiting-payment").leaves(paid="0.00", escrow="0.00")
    order = order.when(retracted(retracts=1)).then("none").leaves(known=False, version=8)
    order.when(retracted(retracts=1)).refused("R7", "R23")


@pytest.mark.parametrize("version", [1, 3, 4, 99])
def test_only_the_highest_version_in_force(version: int) -> None:
    """A version before it, after it, or taken back already is refused; so is a retraction's own."""
    order = given(*VERIFYING, noted(), retracted(retracts=3))
    order.when(retracted(retracts=version)).refused("R23")
    order.when(retracted(retracts=2)).then("awaiting-payment")


def test_a_retraction_is_final() -> None:
    """What was taken back is not put back; it is recorded anew."""
    order = given(*VERIFYING, retracted(retracts=2))
    order.when(retracted(retracts=3)).refused("R23")
    order.when(paid()).then("verifying-payment").leaves(version=4)


def test_versions_go_on_counting() -> None:
    """The new event after a retraction is retracted by its own version."""
    order = given(*AWAITING, paid(amount="2000"), retracted(retracts=2), paid())
    order.leaves(version=4, paid="20.00").when(retracted(retracts=2)).refused("R23")
    order.when(retracted(retracts=4)).then("awaiting-payment").leaves(version=5)


def test_a_retracted_placed_leaves_an_unknown_order() -> None:
    """Nothing happens to it (R7) until it is placed again, which R8 does not forbid."""
    order = given(placed(), retracted(retracts=1)).leaves(known=False, status="none", version=2)
    for fact in (paid(), noted(), closed(), retracted(retracts=2)):
        order.when(fact).refused("R7", "R23")
    order = order.when(placed(seller="shop-2", amount="30.00")).then("awaiting-payment")
    order.leaves(version=3, seller="shop-2", amount="30.00", known=True)
    order.when(placed(seller="shop-3")).refused("R8")
    order.when(retracted(retracts=3)).then("none").leaves(version=4)


def test_order_of_arrival_is_judged_by_what_is_in_force() -> None:
    """R9: a retracted event of a wrong, late date makes nothing after it out of order."""
    order = given(*AWAITING, paid(at=after(300)))
    order.when(verified(at=after(3))).then("processing", ("out-of-order",))
    order = order.when(retracted(retracts=2, at=after(301))).then("awaiting-payment")
    answer = order.when(paid(at=after(1))).then("verifying-payment")
    assert answer.history[-1].effective_at is None
    answer.leaves(verify_by=after(2))


def test_a_retraction_has_its_own_time() -> None:
    """R9 judges the retraction itself against the events in force before it, the retracted one included."""
    order = given(*AWAITING, paid(at=after(10)))
    order.when(retracted(retracts=2, at=after(10))).then("awaiting-payment")
    order.when(retracted(retracts=2, at=after(9))).then("awaiting-payment", ("out-of-order",))


def test_the_time_of_a_retraction_counts_for_nothing() -> None:
    """An event that happened before the retraction was made is not out of order."""
    order = given(*VERIFYING, retracted(retracts=2, at=after(500)))
    answer = order.when(paid(at=after(1), amount="5")).then("verifying-payment")
    assert answer.history[-1].effective_at is None
    once_more = answer.when(retracted(retracts=4, at=after(2))).then("awaiting-payment")
    once_more.when(paid(at=after(1.5))).then("verifying-payment")


def test_a_closing_is_taken_back() -> None:
    """A closing entered by mistake is no closing; the order goes on, and closes once."""
    order = given(*SHIPPED, closed_by_security(), retracted(retracts=5)).leaves(status="shipped", escrow="20.00")
    order.leaves(closure_reason=None, closed_at=None, refund_by=None, pending="0.00")
    order.when(delivered()).then("delivered").when(confirmed()).then("closed", to_seller="20.00")


def test_a_second_closing_is_taken_back() -> None:
    """The closure is then that of the closing before, windows included."""
    order = given(*CONFIRMED, dispute_opened(), dispute_resolved()).leaves(closure_reason="dispute-resolved")
    back = order.when(retracted(retracts=8)).then("disputed")
    back.leaves(closure_reason="confirmed", to_seller="20.00", pending="0.00", dispute_until=after(7, hours=5))


def test_a_flag_is_taken_back() -> None:
    """A dispute or freeze entered by mistake is down again; a lowered one is up again."""
    given(*SHIPPED, dispute_opened()).when(retracted(retracts=5)).then("shipped").leaves(disputed=False)
    given(*SHIPPED, frozen()).when(retracted(retracts=5)).then("shipped").leaves(frozen=False)
    order = given(*SHIPPED, dispute_opened(), frozen(), closed())
    order.when(retracted(retracts=7)).then("disputed").leaves(disputed=True, frozen=True)
