"""Every cell of the lifecycle, what is accepted and what is refused, and what the two flags over the base do."""

import csv
from pathlib import Path

import pytest

from ledger.events import Fact
from ledger.lifecycle import TABLE
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
    cancel_accepted,
    cancel_declined,
    cancel_requested,
    closed,
    closed_by_security,
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
    processing_extended,
    protection_extended,
    refund_failed,
    refunded,
    retracted,
    scanned,
    shipped,
    unfrozen,
    verified,
)

with (Path(__file__).parent / "lifecycle.csv").open(newline="") as file:
    CELLS = {
        (line["event"], column): text
        for line in csv.DictReader(file)
        for column, text in line.items()
        if column != "event"
    }

REASONS = [row.removeprefix("closed:") for row, column in CELLS if row.startswith("closed:") and column == "none"]
FACTS: dict[str, Fact] = {
    "placed": placed(seller="shop-2"),
    "paid": paid(amount="8.00"),
    "verified": verified(),
    "processing-extended": processing_extended(),
    "cancel-requested": cancel_requested(),
    "cancel-accepted": cancel_accepted(),
    "cancel-declined": cancel_declined(),
    "shipped": shipped(),
    "scanned": scanned(),
    "delivered-scan": delivered(),
    "protection-extended": protection_extended(),
    "confirmed": confirmed(),
    "dispute-opened": dispute_opened(),
    "dispute-withdrawn": dispute_withdrawn(),
    "dispute-resolved": dispute_resolved(),
    "frozen": frozen(),
    "unfrozen": unfrozen(),
    "closed-by-security": closed_by_security(),
    "refund-failed": refund_failed(),
    "refunded": refunded(),
    "feedback-left": feedback_left(),
    "noted": noted(),
    **{f"closed:{reason}": closed(reason=reason) for reason in REASONS},
}
CLOSINGS = {"confirmed", "dispute-resolved", "closed-by-security", *(f"closed:{reason}" for reason in REASONS)}
STEPS_OF_A_PATH = {"verified", "shipped", "delivered-scan", "confirmed", "closed:protection-expired"}
BASES: dict[str, tuple[Fact, ...]] = {
    "awaiting-payment": AWAITING,
    "verifying-payment": VERIFYING,
    "processing": PROCESSING,
    "cancelling": CANCELLING,
    "shipped": SHIPPED,
    "delivered": DELIVERED,
}


def reach(base: str, row: str) -> Scenario:
    """Return an order standing at the base, with room for a second payment where the row is a payment."""
    if base == "none":
        return given()
    if base == "closed":  # R12 looks for money at the seller's; every other row for a refund on its way
        last = confirmed() if row == "dispute-opened" else closed(reason="administration")
        facts: tuple[Fact, ...] = (*DELIVERED, last)
    else:
        facts = BASES[base]
    first = paid(amount="12.00") if row == "paid" else paid()
    return given(*(first if fact == VERIFYING[1] else fact for fact in facts))


def raise_flag(order: Scenario, flag: str) -> Scenario:
    """Put the flag over the order, whatever its base: a freeze lets every order be disputed."""
    if flag == "frozen":
        return order.when(frozen())
    disputed = order.when(dispute_opened())
    return disputed if disputed.order.disputed else order.when(frozen()).when(dispute_opened()).when(unfrozen())


def fact_for(row: str, order: Scenario) -> Fact:
    """Return the row's fact; a retraction takes back the latest event."""
    return retracted(retracts=max(1, len(order.history))) if row == "retracted" else FACTS[row]


def cell_flags(row: str, verdict: str, base: str, moves: bool) -> set[str]:
    """Return the one flag that tells why the cell is odd."""
    if verdict != "odd":
        return set()
    if row == "closed:unknown":
        return {"unknown-cause"}
    if base == "closed":
        return {"after-closing"}
    return {"gap"} if moves and row in STEPS_OF_A_PATH else {"out-of-turn"}


def money_flags(row: str, base: str) -> set[str]:
    """Return what besides is to be said about the money of an order of 20.00 that stands at the base."""
    if row == "verified" and base == "awaiting-payment":
        return {"underpaid"}
    if base != "closed" and row in ("refunded", "refund-failed"):
        return {"undecided-refund"} if row == "refunded" else {"no-refund"}
    return set()


def test_the_table_is_the_one_expected() -> None:
    """Verdict and next base of every cell are those of the table kept beside these tests."""
    for (row, column), text in CELLS.items():
        verdict, _, target = text.partition(">")
        expected = (verdict, column if target in ("", "=") else target)
        assert tuple(TABLE[row][column]) == expected, f"{row} × {column}"
    assert {(row, column) for row in TABLE for column in TABLE[row]} == set(CELLS)


@pytest.mark.parametrize(
    ("row", "column"),
    [pytest.param(*cell, id=" × ".join(cell)) for cell in CELLS if cell[1] not in ("disputed", "frozen")],
)
def test_cell(row: str, column: str) -> None:
    """An order that stands at the column's base takes the row's event as the cell says."""
    order = reach(column, row)
    verdict, _, target = CELLS[row, column].partition(">")
    answer = order.when(fact_for(row, order))
    if verdict == "no":
        answer.refused("R8" if row == "placed" else "R7" if column == "none" else "L")
        return
    if target == "back":
        target = order.history[-2].status if len(order.history) > 1 else "none"
    expected = column if target == "=" else target
    verdict = {"R12": "ok", "R22": "odd"}.get(verdict, verdict)
    flags = cell_flags(row, verdict, column, expected != column) | money_flags(row, column)
    shown = {"dispute-opened": "disputed", "frozen": "frozen"}.get(row, expected)
    answer.then(shown, tuple(flags)).leaves(base=expected, disputed=shown == "disputed", frozen=shown == "frozen")


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(
    ("row", "flag"),
    [pytest.param(*cell, id=" × ".join(cell)) for cell in CELLS if cell[1] in ("disputed", "frozen")],
)
def test_cell_under_a_flag(row: str, flag: str, base: str) -> None:
    """The verdict is that of the flag's column; the base moves as its own column says, and stays where that says no."""
    order = raise_flag(reach(base, row), flag)
    verdict = CELLS[row, flag]
    own, _, target = CELLS[row, base].partition(">")
    answer = order.when(fact_for(row, order))
    if row == "placed":
        answer.refused("R8")
        return
    if verdict == "R24":
        answer.refused("R24", "L")
        return
    if verdict == "no" or (row in CLOSINGS and own == "no"):
        answer.refused("L")
        return
    if row == "refunded" and base == "awaiting-payment":
        answer.refused("R17", "R11")  # nothing is paid
        return
    expected = base if own == "no" or target in ("=", "back") else target
    flags = cell_flags(row, verdict, base, moves=False) | money_flags(row, base)
    answer.then(odd=tuple(flags)).leaves(base=expected)
    if row == "retracted":
        return
    lowered = row in CLOSINGS or row == {"disputed": "dispute-withdrawn", "frozen": "unfrozen"}[flag]
    both = {"disputed": "frozen", "frozen": "dispute-opened"}[flag] == row
    assert answer.order.status == ("disputed" if both else expected if lowered else flag)
    assert answer.order.frozen == ((flag == "frozen" and not lowered) or row == "frozen")


@pytest.mark.parametrize("row", sorted({row for row, _ in CELLS}))
def test_cell_of_a_closed_order_under_dispute(row: str) -> None:
    """Of a closed order under dispute the dispute's own events are judged as disputed, everything else as closed."""
    first = paid(amount="12.00") if row == "paid" else paid()
    order = given(*(first if fact == VERIFYING[1] else fact for fact in CONFIRMED), dispute_opened())
    verdict = CELLS[row, "disputed" if row.startswith("dispute-") else "closed"].partition(">")[0]
    answer = order.when(fact_for(row, order))
    if verdict == "no":
        answer.refused("R8" if row == "placed" else "L", *(["R24"] if row == "unfrozen" else []))
        return
    flags = cell_flags(row, verdict, "closed", moves=False) | money_flags(row, "reviewed")
    shown = "closed" if row in ("dispute-withdrawn", "dispute-resolved", "retracted") else "disputed"
    answer.then(shown, tuple(flags)).leaves(base="closed")


def test_a_frozen_parcel_is_not_forgotten() -> None:
    """What was shipped and scanned during a freeze shows when the freeze ends."""
    order = given(*PROCESSING, frozen()).when(shipped()).then("frozen", ("out-of-turn",)).leaves(base="shipped")
    order = order.when(delivered()).then("frozen").leaves(base="delivered")
    order.when(unfrozen()).then("delivered")


def test_dispute_shows_over_freeze() -> None:
    """Under both flags the order shows disputed, and each flag is lowered by its own event."""
    order = given(*SHIPPED, frozen()).when(dispute_opened()).then("disputed").leaves(frozen=True, disputed=True)
    order.when(dispute_withdrawn()).then("frozen").when(unfrozen()).then("shipped")
    order.when(unfrozen()).then("disputed").when(dispute_withdrawn()).then("shipped")


def test_unfrozen_while_disputed_needs_a_freeze() -> None:
    """R24: under a dispute a freeze is lifted only where there is one."""
    given(*SHIPPED, dispute_opened(), frozen()).when(unfrozen()).then("disputed").leaves(frozen=False)
    given(*SHIPPED, dispute_opened()).when(unfrozen()).refused("R24", "L")


@pytest.mark.parametrize("closing", [confirmed(), dispute_resolved(), closed_by_security(), closed()])
def test_a_closing_lowers_both_flags(closing: Fact) -> None:
    """After a closing event nothing is disputed or frozen."""
    order = given(*SHIPPED, dispute_opened(), frozen(), closing)
    order.leaves(status="closed", base="closed", disputed=False, frozen=False)


def test_only_a_dispute_closes_twice() -> None:
    """A closed order gets a new closure from a dispute that was raised over it, and from nothing else."""
    order = given(*CONFIRMED).leaves(closure_reason="confirmed", closed_by="buyer", closed_at=after(hours=5))
    order.when(dispute_resolved()).refused("L")
    order.when(confirmed()).refused("L")
    order = order.when(dispute_opened()).when(dispute_resolved(outcome="seller-won")).then("closed")
    order.leaves(closure_reason="dispute-resolved", closed_by="platform", closed_at=after(hours=7))
    order.when(dispute_resolved()).refused("L")


@pytest.mark.parametrize("reason", REASONS)
def test_closure_tells_the_reason(reason: str) -> None:
    """The closure reason of a closed order is the reason of its last closing."""
    start = {"payment-timeout": VERIFYING, "protection-expired": SHIPPED}.get(reason, PROCESSING)
    given(*start, closed(reason=reason)).leaves(closure_reason=reason, status="closed", closed_by="platform")


def test_security_closure_tells_its_reason() -> None:
    """A security closure has the reason security."""
    given(*SHIPPED, closed_by_security(reason="fraud")).leaves(closure_reason="security")


def test_dispute_while_processing() -> None:
    """R22: while the seller prepares the parcel a dispute is out of turn, but not after a declined cancellation."""
    given(*PROCESSING).when(dispute_opened()).then("disputed", ("out-of-turn",))
    declined = given(*CANCELLING, cancel_declined(reason="already-shipped"))
    declined.when(dispute_opened()).then("disputed")
    given(*PROCESSING, cancel_declined()).when(dispute_opened()).then("disputed")


def test_a_retracted_refusal_to_cancel_counts_for_nothing() -> None:
    """R22 looks at the declined cancellations in force only."""
    order = given(*CANCELLING, cancel_declined(), retracted(retracts=5), retracted(retracts=4))
    order.leaves(base="processing")
    order.when(dispute_opened()).then("disputed", ("out-of-turn",))


def test_gap_is_only_for_the_undisturbed_path() -> None:
    """A missing step is a gap; under dispute or freeze the same event is merely out of turn."""
    given(*VERIFYING).when(shipped()).then("shipped", ("gap",))
    given(*VERIFYING, frozen()).when(shipped()).then("frozen", ("out-of-turn",)).leaves(base="shipped")
    given(*SHIPPED).when(confirmed()).then("closed", ("gap",))
    given(*SHIPPED, dispute_opened()).when(confirmed()).then("closed", ("out-of-turn",))


def test_a_verdict_of_the_flag_is_enough_for_the_flag() -> None:
    """A frozen order that nobody paid for can be disputed, though without the freeze it could not."""
    given(*AWAITING).when(dispute_opened()).refused("L")
    given(*AWAITING, frozen()).when(dispute_opened()).then("disputed").leaves(base="awaiting-payment")


def test_a_second_dispute_over_a_closed_order_is_out_of_place() -> None:
    """While a closed order is disputed again, another dispute is flagged as after closing, even within the window."""
    given(*CONFIRMED, dispute_opened()).when(dispute_opened(reason="damaged")).then("disputed", ("after-closing",))
