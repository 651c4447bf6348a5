"""Given an order that the log knows, when another source tells of it, then it repeats, adds, or contradicts."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from ledger import events as e
from ledger.errors import Refused
from ledger.events import Fact, Recorded
from ledger.formats.foreign import UNKNOWN_SELLER
from ledger.order import Order, fold
from ledger.retold import NEAR, NEAR_SCAN, retold
from tests import scenario as s

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PLACED, PAID, VERIFIED, SHIPPED, DELIVERED, CLOSED = (
    s.placed(at=s.START, source="a", title="a lamp"),
    s.paid(at=s.after(0.1), source="a"),
    s.verified(at=s.after(0.5), source="a"),
    s.shipped(at=s.after(3), source="a", tracking="LV410937265CN"),
    s.delivered(at=s.after(20), source="a", tracking="LV410937265CN"),
    s.confirmed(at=s.after(21), source="a"),
)
TO_SHIPPED = (PLACED, PAID, VERIFIED, SHIPPED)
TO_CLOSED = (*TO_SHIPPED, DELIVERED, CLOSED)
TO_CANCELLED = (PLACED, PAID, VERIFIED, s.closed(at=s.after(1.5), reason="cancelled", source="a"))
REFUNDED = s.refunded(at=s.after(5), source="a")


def _order(*facts: Fact) -> Order:
    """Return an order whose n-th line has seq 100 + n."""
    history = [replace(line, seq=100 + line.seq) for line in s.given(*facts).history]
    return fold(s.ORDER, history)


class Told:
    """What is said of a fact that another source tells of an order."""

    def __init__(self, order: Order, fact: Fact) -> None:
        self.order = order
        try:
            self.answer: Recorded | Refused | None = retold(order, fact)
        except Refused as refusal:
            self.answer = refusal

    def repeats(self, seq: int) -> None:
        """Check that the log has it there."""
        assert isinstance(self.answer, Recorded), self.answer
        assert self.answer.seq == seq

    def adds(self) -> None:
        """Check that it is decided like any other fact."""
        assert self.answer is None, self.answer

    def contradicts(self, rule: str, seq: int, *words: str) -> None:
        """Check that it is refused, with the seq and what both sides say."""
        assert isinstance(self.answer, Refused), self.answer
        assert self.answer.rule == rule
        assert f"seq {seq}" in self.answer.what
        for word in (self.order.order_id, *words):
            assert word in self.answer.what, (word, self.answer.what)
        assert "orderledger retract" in self.answer.hint


class Given:
    """An order with a history."""

    def __init__(self, *facts: Fact) -> None:
        self.order = _order(*facts)

    def when(self, fact: Fact, **changed: Any) -> Told:
        """Tell it a fact of source b, unless said otherwise."""
        return Told(self.order, replace(fact, **({"source": "b"} | changed)))


def test_an_order_that_nobody_placed_is_told_nothing_twice() -> None:
    Told(Order(s.ORDER), PLACED).adds()
    Told(Order(s.ORDER), PAID).adds()


def test_an_order_whose_placing_was_taken_back_is_placed_anew() -> None:
    given = Given(PLACED, s.retracted(retracts=1, at=s.after(1)))
    given.when(PLACED, amount="99.00").adds()


# placed


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"amount": "20"},
        {"seller": UNKNOWN_SELLER},
        {"title": "another title", "note": "x", "items": None},
        {"occurred_at": s.START - NEAR},
        {"occurred_at": s.START + NEAR},
    ],
    ids=str,
)
def test_placed_repeats_where_nothing_disagrees(changed: dict[str, Any]) -> None:
    Given(*TO_SHIPPED).when(PLACED, **changed).repeats(101)


def test_placed_by_a_seller_whom_the_log_does_not_know_repeats() -> None:
    Given(replace(PLACED, seller=UNKNOWN_SELLER)).when(PLACED).repeats(101)


@pytest.mark.parametrize(
    ("changed", "ours", "theirs"),
    [
        ({"amount": "19.74"}, "19.74 USD", "20.00 USD"),
        ({"currency": "EUR"}, "20.00 EUR", "20.00 USD"),
        ({"seller": "shop-2"}, "seller shop-2", "seller shop-1"),
        ({"occurred_at": s.START + NEAR + HOUR}, "2024-03-03 11:00", "2024-03-01 10:00"),
    ],
    ids=str,
)
def test_placed_otherwise_contradicts(changed: dict[str, Any], ours: str, theirs: str) -> None:
    Given(*TO_SHIPPED).when(PLACED, **changed).contradicts("R8", 101, ours, theirs)


def test_everything_that_differs_is_said_at_once() -> None:
    told = Given(PLACED).when(PLACED, amount="1.00", seller="shop-2", occurred_at=s.after(9))
    told.contradicts("R8", 101, "1.00 USD, seller shop-2, 2024-03-10", "20.00 USD, seller shop-1, 2024-03-01")


# paid


@pytest.mark.parametrize(
    "changed",
    [{}, {"occurred_at": PAID.occurred_at + NEAR}, {"occurred_at": PAID.occurred_at - DAY, "amount": "20"}],
    ids=str,
)
def test_paid_near_in_time_and_of_the_same_amount_repeats(changed: dict[str, Any]) -> None:
    Given(*TO_SHIPPED).when(PAID, **changed).repeats(102)


def test_paid_repeats_the_nearest_of_several_payments() -> None:
    half = s.paid(amount="10.00", source="a")
    given = Given(PLACED, replace(half, occurred_at=s.after(0.1)), replace(half, occurred_at=s.after(1)))
    given.when(half, occurred_at=s.after(0.9)).repeats(103)


def test_paid_logged_twice_by_one_source_once_with_an_id_repeats() -> None:
    given = Given(PLACED, replace(PAID, fact_id="log:1"))
    given.when(PAID, source="a", occurred_at=PAID.occurred_at + timedelta(seconds=1)).repeats(102)


@pytest.mark.parametrize("tells", [{"source": "a"}, {"fact_id": "b:2"}], ids=str)
def test_a_source_that_counts_two_payments_of_one_amount_tells_two(tells: dict[str, Any]) -> None:
    half = s.paid(amount="10.00", at=s.after(0.1), source="a", fact_id="a:1" if "fact_id" in tells else None)
    Given(PLACED, half).when(half, occurred_at=s.after(0.2), **{"fact_id": None} | tells).adds()


def test_the_first_payment_and_the_rest_of_it_are_added() -> None:
    Given(PLACED).when(PAID).adds()
    Given(PLACED, replace(PAID, amount="5.00")).when(PAID, amount="15.00").adds()


def test_paid_otherwise_contradicts_where_more_would_be_paid_than_the_order_costs() -> None:
    Given(*TO_SHIPPED).when(PAID, amount="19.74").contradicts("R18", 102, "paid 19.74", "paid 20.00")
    late = {"occurred_at": s.after(9)}
    Given(*TO_SHIPPED).when(PAID, **late).contradicts("R18", 102, "2024-03-10", "20.00 of 20.00 USD are paid")
    Given(PLACED, replace(PAID, amount="19.74")).when(PAID).contradicts("R18", 102, "19.74 of 20.00 USD are paid")


def test_a_payment_with_an_id_of_its_own_is_decided_however_much_is_paid() -> None:
    Given(PLACED, replace(PAID, fact_id="a:1")).when(PAID, fact_id="b:1").adds()


@pytest.mark.parametrize("kind", [s.paid, s.refunded])
def test_an_amount_that_is_none_is_refused_by_its_own_rule(kind: Any) -> None:
    told = Told(_order(*TO_CANCELLED, REFUNDED), kind(at=s.after(9), amount="9" * 1_000_002, source="b"))
    assert isinstance(told.answer, Refused)
    assert told.answer.rule == "R11"


def test_a_payment_or_refund_in_another_currency_is_decided_as_usual() -> None:
    Given(*TO_SHIPPED).when(PAID, currency="EUR").adds()
    Given(*TO_CANCELLED, REFUNDED).when(REFUNDED, currency="EUR").adds()


# verified, and all that happens once in a while


def _once_in_a_while() -> dict[str, tuple[tuple[Fact, ...], Fact]]:
    """Return an order for each type, and the fact of that type which is its last."""
    paid = (PLACED, PAID, VERIFIED)
    asked = (*paid, s.cancel_requested(at=s.after(1)))
    return {
        "verified": ((PLACED, PAID), VERIFIED),
        "cancel-requested": (paid, s.cancel_requested(at=s.after(1), reason="too slow")),
        "cancel-accepted": (asked, s.cancel_accepted(at=s.after(2))),
        "cancel-declined": (asked, s.cancel_declined(at=s.after(2), reason="shipped")),
        "dispute-opened": (TO_SHIPPED, s.dispute_opened(at=s.after(9), reason="damaged", claim="5.00")),
        "dispute-withdrawn": ((*TO_SHIPPED, s.dispute_opened(at=s.after(9))), s.dispute_withdrawn(at=s.after(10))),
        "frozen": (paid, s.frozen(at=s.after(1), reason="review")),
        "unfrozen": ((*paid, s.frozen(at=s.after(1))), s.unfrozen(at=s.after(2))),
        "refund-failed": (TO_CANCELLED, s.refund_failed(at=s.after(2))),
        "feedback-left": (TO_CLOSED, s.feedback_left(at=s.after(22), rating="positive")),
        "protection-extended": (TO_SHIPPED, s.protection_extended(at=s.after(5), days=5)),
        "processing-extended": (paid, s.processing_extended(at=s.after(1), days=2)),
    }


ONCE = _once_in_a_while()


@pytest.mark.parametrize("kind", ONCE)
def test_one_of_a_kind_near_in_time_repeats(kind: str) -> None:
    before, fact = ONCE[kind]
    fact = replace(fact, source="a")
    given = Given(*before, fact)
    seq = 101 + len(before)
    given.when(fact).repeats(seq)
    given.when(fact, occurred_at=fact.occurred_at + NEAR, note="in other words").repeats(seq)
    given.when(fact, occurred_at=fact.occurred_at - NEAR).repeats(seq)
    given.when(fact, occurred_at=fact.occurred_at + HOUR, fact_id="b:1").repeats(seq)


@pytest.mark.parametrize("kind", ONCE)
def test_one_of_a_kind_that_is_new_or_another_is_added(kind: str) -> None:
    before, fact = ONCE[kind]
    fact = replace(fact, source="a")
    Given(*before).when(fact).adds()
    given = Given(*before, fact)
    given.when(fact, occurred_at=fact.occurred_at + NEAR + HOUR).adds()
    given.when(fact, occurred_at=fact.occurred_at + HOUR, source="a").adds()  # one source, two times
    Given(*before, replace(fact, fact_id="a:1")).when(fact, fact_id="b:1").adds()


def test_one_of_a_kind_repeats_the_nearest() -> None:
    frozen = [s.frozen(at=s.after(1), source="a"), s.unfrozen(at=s.after(1.1)), s.frozen(at=s.after(2), source="a")]
    Given(PLACED, PAID, VERIFIED, *frozen).when(frozen[0], occurred_at=s.after(1.9)).repeats(106)


def test_an_extension_by_other_days_is_another_one() -> None:
    before, fact = ONCE["protection-extended"]
    Given(*before, fact).when(fact, days=7).adds()


def test_free_words_do_not_contradict() -> None:
    for kind in ("cancel-requested", "cancel-declined", "frozen"):
        before, fact = ONCE[kind]
        Given(*before, fact).when(fact, reason="in other words").repeats(101 + len(before))


def test_a_dispute_for_another_reason_or_claim_contradicts() -> None:
    before, fact = ONCE["dispute-opened"]
    given = Given(*before, fact)
    given.when(fact, reason="counterfeit").contradicts("R10", 105, "reason counterfeit", "reason damaged")
    given.when(fact, claim="6").contradicts("R10", 105, "claim 6", "claim 5.00")
    given.when(fact, claim="5").repeats(105)
    given.when(fact, claim=None, reason="other").repeats(105)
    Given(*before, replace(fact, reason="other", claim=None)).when(fact).repeats(105)


def test_feedback_with_another_rating_contradicts() -> None:
    before, fact = ONCE["feedback-left"]
    told = Given(*before, fact).when(fact, rating="negative")
    told.contradicts("R10", 107, "rating negative", "rating positive")


# shipped, scanned, delivered-scan


def test_shipped_with_a_tracking_number_that_is_known_repeats_at_any_time() -> None:
    Given(*TO_SHIPPED).when(SHIPPED, occurred_at=s.after(30)).repeats(104)


def test_shipped_without_a_number_repeats_the_parcel_near_in_time() -> None:
    given = Given(*TO_SHIPPED)
    given.when(SHIPPED, tracking=None, occurred_at=s.after(4)).repeats(104)
    given.when(SHIPPED, tracking=None, occurred_at=s.after(9)).adds()


def test_a_tracking_number_that_is_new_is_added() -> None:
    Given(*TO_SHIPPED).when(SHIPPED, tracking="YT2407712345678901").adds()
    Given(PLACED, PAID, VERIFIED, replace(SHIPPED, tracking=None)).when(SHIPPED).adds()


def test_two_parcels_without_a_number_that_one_source_counts_are_two() -> None:
    first = replace(SHIPPED, tracking=None)
    Given(PLACED, PAID, VERIFIED, first).when(first, source="a", occurred_at=s.after(3.1)).adds()


@pytest.mark.parametrize("tracking", ["LV410937265CN", None])
def test_scanned_within_minutes_at_the_same_checkpoint_repeats(tracking: str | None) -> None:
    scan = s.scanned(at=s.after(5), tracking="LV410937265CN")
    given = Given(*TO_SHIPPED, scan)
    given.when(scan, tracking=tracking, occurred_at=s.after(5) + NEAR_SCAN, place="elsewhere").repeats(105)
    given.when(scan, tracking=tracking, occurred_at=s.after(5) + 2 * NEAR_SCAN).adds()


def test_scanned_elsewhere_or_of_another_parcel_is_added() -> None:
    scan = s.scanned(at=s.after(5), tracking="LV410937265CN")
    Given(*TO_SHIPPED, scan).when(scan, checkpoint="import").adds()
    Given(*TO_SHIPPED, scan).when(scan, tracking="YT2407712345678901").adds()


def test_a_delivery_scan_of_the_parcel_near_in_time_repeats() -> None:
    given = Given(*TO_SHIPPED, DELIVERED)
    given.when(DELIVERED, occurred_at=s.after(21)).repeats(105)
    given.when(DELIVERED, tracking=None).repeats(105)
    given.when(DELIVERED, tracking="YT2407712345678901").adds()
    given.when(DELIVERED, occurred_at=s.after(30)).adds()


# closings


CLOSINGS: dict[str, tuple[tuple[Fact, ...], Fact]] = {
    "confirmed": ((*TO_SHIPPED, DELIVERED), CLOSED),
    "closed": ((PLACED, PAID, VERIFIED), s.closed(at=s.after(1.5), reason="cancelled")),
    "closed-by-security": ((PLACED, PAID, VERIFIED), s.closed_by_security(at=s.after(1.5))),
    "dispute-resolved": (
        (*TO_SHIPPED, s.dispute_opened(at=s.after(9))),
        s.dispute_resolved(at=s.after(12), outcome="partial", to_buyer="5.00"),
    ),
}


def test_every_closing_is_tried() -> None:
    assert set(CLOSINGS) == {tag for tag, kind in e.TYPES.items() if kind.closing}


@pytest.mark.parametrize("kind", CLOSINGS)
def test_a_closing_of_the_same_reason_near_in_time_repeats(kind: str) -> None:
    before, fact = CLOSINGS[kind]
    given = Given(*before, fact)
    given.when(fact).repeats(101 + len(before))
    given.when(fact, occurred_at=fact.occurred_at + NEAR).repeats(101 + len(before))


@pytest.mark.parametrize("kind", CLOSINGS)
def test_a_closing_whose_cause_nobody_knows_repeats_any(kind: str) -> None:
    before, fact = CLOSINGS[kind]
    unknown = s.closed(at=s.after(25), reason="unknown")
    Given(*before, fact).when(unknown).repeats(101 + len(before))


@pytest.mark.parametrize("kind", CLOSINGS)
def test_a_closing_of_an_open_order_is_added(kind: str) -> None:
    before, fact = CLOSINGS[kind]
    Given(*before).when(fact).adds()


@pytest.mark.parametrize("kind", CLOSINGS)
def test_a_closing_at_another_time_contradicts(kind: str) -> None:
    before, fact = CLOSINGS[kind]
    told = Given(*before, fact).when(fact, occurred_at=fact.occurred_at + NEAR + DAY)
    told.contradicts("R2", 101 + len(before), f"{fact.occurred_at:%Y-%m-%d %H:%M}")


@pytest.mark.parametrize("kind", CLOSINGS)
def test_a_closing_for_another_reason_contradicts(kind: str) -> None:
    before, fact = CLOSINGS[kind]
    other = s.closed(at=fact.occurred_at, reason="administration")
    Given(*before, fact).when(other).contradicts("R2", 101 + len(before), "closed: administration", "closed: ")


def test_a_cause_that_the_log_did_not_know_is_refused_and_says_how_it_gets_in() -> None:
    given = Given(*TO_SHIPPED, s.closed(at=s.after(20), reason="unknown"))
    given.when(CLOSED).contradicts("R2", 105, "closed: confirmed", "tells why")


def test_a_dispute_resolved_otherwise_contradicts() -> None:
    before, fact = CLOSINGS["dispute-resolved"]
    given = Given(*before, fact)
    won = s.dispute_resolved(at=s.after(12), outcome="buyer-won")
    given.when(won).contradicts("R2", 106, "outcome buyer-won", "outcome partial")
    given.when(fact, to_buyer="6.00").contradicts("R2", 106, "to_buyer 6.00", "to_buyer 5.00")
    given.when(fact, to_buyer="5", to_seller="15").repeats(106)
    Given(*before, won).when(won, to_seller="0").repeats(106)
    Given(*before, won).when(won, to_seller="1").contradicts("R2", 106, "to_seller 1", "to_seller nothing")


def test_a_closed_order_under_dispute_is_resolved_by_what_another_source_tells() -> None:
    given = Given(*TO_CLOSED, s.dispute_opened(at=s.after(23)))
    given.when(s.dispute_resolved(at=s.after(25))).adds()
    given.when(CLOSED).repeats(106)  # what was before is still known


def test_a_closed_order_under_dispute_is_not_closed_otherwise() -> None:
    given = Given(*TO_CLOSED, s.dispute_opened(at=s.after(23)))
    other = s.closed(at=s.after(25), reason="administration")
    given.when(other).contradicts("R2", 106, "closed: administration", "closed: confirmed")


def test_an_earlier_closing_is_known_after_a_later_one() -> None:
    given = Given(*TO_CLOSED, s.dispute_opened(at=s.after(23)), s.dispute_resolved(at=s.after(25)))
    given.when(CLOSED, occurred_at=s.after(21.5)).repeats(106)
    given.when(CLOSED, occurred_at=s.after(40)).contradicts("R2", 108, "closed: dispute-resolved, 2024-03-26")


# refunded


def test_refunded_near_in_time_and_of_the_same_amount_repeats() -> None:
    given = Given(*TO_CANCELLED, REFUNDED)
    given.when(REFUNDED).repeats(105)
    given.when(REFUNDED, amount="20", occurred_at=s.after(6.9)).repeats(105)


def test_a_first_and_a_further_refund_are_added() -> None:
    Given(*TO_CANCELLED).when(REFUNDED).adds()
    part = replace(REFUNDED, amount="5.00")
    Given(*TO_CANCELLED, part).when(part, amount="15.00").adds()
    Given(*TO_CANCELLED, part).when(part, source="a", occurred_at=s.after(5.5)).adds()


def test_a_refund_with_an_id_of_its_own_is_decided_however_much_came_back() -> None:
    Given(*TO_CANCELLED, replace(REFUNDED, fact_id="a:1")).when(REFUNDED, fact_id="b:1").adds()


def test_refunded_otherwise_contradicts_where_more_would_come_back_than_was_paid() -> None:
    given = Given(*TO_CANCELLED, REFUNDED)
    given.when(REFUNDED, occurred_at=s.after(9)).contradicts("R17", 105, "refunded 20.00", "20.00 of 20.00 USD")
    given.when(REFUNDED, amount="19.00").contradicts("R17", 105, "refunded 19.00", "refunded 20.00")


# what is always decided


def test_notes_and_retractions_are_decided_as_usual() -> None:
    noted = s.noted(at=s.after(4))
    Given(*TO_SHIPPED, noted).when(noted).adds()
    Given(*TO_SHIPPED).when(s.retracted(retracts=4, at=s.after(4))).adds()


def test_a_fact_id_that_the_order_has_is_decided_as_usual() -> None:
    Given(PLACED, replace(PAID, fact_id="a:1")).when(PAID, fact_id="a:1", amount="1.00").adds()
    Given(replace(PLACED, fact_id="a:1")).when(PLACED, fact_id="a:1", amount="1.00").adds()


def test_what_was_taken_back_is_not_repeated() -> None:
    given = Given(PLACED, PAID, s.retracted(retracts=2, at=s.after(1)))
    given.when(PAID, occurred_at=s.after(0.3)).adds()


TRIED = {"placed", "paid", "shipped", "scanned", "delivered-scan", "refunded", "noted", "retracted", *ONCE, *CLOSINGS}


def test_every_type_is_tried() -> None:
    assert set(e.TYPES) == TRIED
