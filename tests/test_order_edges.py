"""The decider's refusals word by word, and the edges at which an answer turns."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from ledger.decide import FLAGS, in_utc, refuse_odd
from ledger.errors import Malformed, Refused
from ledger.events import Closed, Event, Noted, Recorded, Scanned, tag_of
from ledger.line import decode, encode
from ledger.order import Order, closure_reason, fold
from tests.scenario import (
    AWAITING,
    CONFIRMED,
    NOW,
    ORDER,
    POLICY,
    PROCESSING,
    SHIPPED,
    VERIFYING,
    Scenario,
    after,
    cancel_accepted,
    closed,
    confirmed,
    dispute_opened,
    dispute_resolved,
    dispute_withdrawn,
    frozen,
    given,
    noted,
    paid,
    placed,
    processing_extended,
    refund_failed,
    refunded,
    retracted,
    scanned,
    shipped,
    unfrozen,
)

REOPENED = "a closed order is closed once and never reopened (R2)"
AGAIN = "order again with `placed` and reorder_of; a dispute may still review the money (dispute-opened)"
STORY = f"look at the order's story: orderledger show {ORDER}; a wrong event before it can be retracted"

REFUSALS = {
    "unknown order": (
        given(),
        paid(),
        "R7",
        f"unknown order {ORDER}: nothing is known of it before `placed`",
        "the first event of an order is `placed` (R7)",
        "record `placed` first, with its seller, amount and currency; or check the order id",
    ),
    "placed twice": (
        given(*AWAITING),
        placed(amount="21"),
        "R8",
        f"order {ORDER} was already placed, with other particulars",
        "an order is placed once (R8)",
        "a repeat order has its own id and may say reorder_of; a mistake is retracted",
    ),
    "malformed id": (
        given(),
        placed(order_id="a b"),
        "F",
        "malformed order id 'a b'",
        "ids have 1 to 128 characters, no spaces and no control characters",
        "give the marketplace's order number as it stands there",
    ),
    "a paid order cancelled by the buyer": (
        given(*VERIFYING),
        closed(reason="cancelled", by="buyer"),
        "R6",
        f"order {ORDER}: the buyer cannot close a paid order",
        "the buyer cancels alone only while nothing is paid (R6)",
        "record what the buyer can do: cancel-requested; if the platform closed it, say actor platform",
    ),
    "closed by the seller": (
        given(*PROCESSING),
        closed(reason="not-shipped", by="seller"),
        "R1",
        f"order {ORDER}: the seller cannot close an order",
        "only the buyer or the platform closes an order (R1)",
        "if the platform closed it, say actor platform (--by platform); a seller's consent is cancel-accepted",
    ),
    "done by the wrong one": (
        given(*PROCESSING),
        shipped(by="buyer"),
        "R6",
        f"order {ORDER}: the buyer cannot do this: shipped",
        "it is done by the seller (R6)",
        "leave the actor out, or say seller; what somebody else says of it is a `noted`",
    ),
    "in the future": (
        given(*AWAITING),
        paid(at=NOW + timedelta(days=1)),
        "R9",
        f"order {ORDER}: paid at 2034-01-02T00:00:00Z is in the future",
        "the ledger records what has happened; now is 2034-01-01T00:00:00Z (R9)",
        "check the date and its zone; record it when it has happened",
    ),
    "not in this status": (
        given(*AWAITING),
        cancel_accepted(),
        "L",
        f"order {ORDER} is awaiting-payment: cancel-accepted cannot happen now",
        "it cannot happen while the order is awaiting-payment (lifecycle)",
        STORY,
    ),
    "not under a freeze": (
        given(*SHIPPED, frozen()),
        closed(reason="payment-timeout"),
        "L",
        f"order {ORDER} is frozen: closed (payment-timeout) cannot happen now",
        "it cannot happen while the order is frozen (lifecycle)",
        STORY,
    ),
    "after the closing": (
        given(*CONFIRMED),
        processing_extended(),
        "L",
        f"order {ORDER} is closed: processing-extended cannot happen any more",
        REOPENED,
        AGAIN,
    ),
    "closed again": (
        given(*CONFIRMED),
        closed(),
        "L",
        f"order {ORDER} is closed already and cannot be closed again: closed (unknown)",
        REOPENED,
        AGAIN,
    ),
    "a dispute resolved that is not running": (
        given(*CONFIRMED),
        dispute_resolved(),
        "L",
        f"order {ORDER} is closed already and cannot be closed again: dispute-resolved",
        "no dispute is running (R2)",
        "record dispute-opened first, if there was one",
    ),
    "a dispute withdrawn that is not running": (
        given(*CONFIRMED),
        dispute_withdrawn(),
        "L",
        f"order {ORDER} is closed: dispute-withdrawn cannot happen any more",
        "no dispute is running (R2)",
        "record dispute-opened first, if there was one",
    ),
    "nothing left to dispute": (
        given(*PROCESSING, closed(reason="not-shipped")),
        dispute_opened(),
        "R12",
        f"order {ORDER}: nothing is left to dispute",
        "neither the marketplace nor the seller has any of the buyer's money (R12)",
        "a refund that has not arrived is recorded with refund-failed, one that has with refunded",
    ),
    "not the latest": (
        given(*VERIFYING, closed()),
        retracted(retracts=2),
        "R23",
        f"order {ORDER}: version 2 cannot be taken back now",
        "only the latest event in force can be: version 3, closed (unknown) (R23)",
        "retract 3 first, then the ones before it; record again what was right",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_says_what_why_and_what_to_do(case: str) -> None:
    """The three lines that a user reads, as they are."""
    order, fact, rule, what, why, hint = REFUSALS[case]
    refusal = order.when(fact).answer
    assert isinstance(refusal, Refused)
    assert (refusal.rule, refusal.what, refusal.why, refusal.hint) == (rule, what, why, hint)


def test_an_odd_fact_that_is_refused_names_every_flag_that_counts() -> None:
    with pytest.raises(Refused) as refusal:
        refuse_odd(closed(), ("unknown-cause", "ambiguous-time", "out-of-turn", "no-refund"), hint="allow it")
    assert (refusal.value.rule, refusal.value.what, refusal.value.why, refusal.value.hint) == (
        "R13",
        f"order {ORDER}: closed (unknown) is odd: unknown-cause, out-of-turn, no-refund",
        "closed without a known cause (R3); it should not have happened in this status (R5); no refund was on its way",
        "allow it",
    )


def test_a_flag_names_its_rule_if_it_has_one() -> None:
    assert FLAGS["gap"].text == "a step before it is missing from the log (R5)"
    assert FLAGS["no-refund"].text == "no refund was on its way"


# Times.


def test_an_instant_is_told_in_utc() -> None:
    there = datetime(2024, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=5)))
    here = in_utc(there)
    assert here == datetime(2024, 3, 1, 7, 0, tzinfo=UTC)
    assert here.tzinfo is UTC


@pytest.mark.parametrize(
    "at",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),  # in UTC it is in the year before
        datetime(9999, 12, 31, tzinfo=UTC),  # what is due after it has no date
    ],
)
def test_a_date_that_no_calendar_holds_is_malformed(at: datetime) -> None:
    now = datetime(9999, 12, 31, tzinfo=UTC) - timedelta(days=1)
    policy = replace(POLICY, future_minutes=24 * 60)
    refusal = Scenario([], policy, None).when(placed(at=at), now=now).answer
    assert isinstance(refusal, Malformed)
    assert (refusal.what, refusal.why, refusal.hint) == (
        "a date is out of range",
        "dates go from year 1 to 9999",
        "look for a typing mistake",
    )


def test_a_clock_may_be_a_few_minutes_fast() -> None:
    """R9: up to the policy's minutes, these included."""
    order = given(*AWAITING)
    limit = NOW + timedelta(minutes=order.policy.future_minutes)
    order.when(paid(at=limit)).then("verifying-payment")
    order.when(paid(at=limit + timedelta(seconds=1))).refused("R9")


def test_what_happened_at_the_same_moment_is_in_order() -> None:
    """R9: only what is earlier than the latest event is late; a scan may be late without a word."""
    order = given(*SHIPPED)
    latest = order.history[-1].event.occurred_at
    order.when(noted(at=latest)).then("shipped")
    order.when(noted(at=latest - timedelta(seconds=1))).then("shipped", ("out-of-order",))
    late = order.when(scanned(at=latest - timedelta(seconds=1))).then("shipped")
    assert late.history[-1].effective_at == latest


def test_a_retraction_tells_the_latest_time_only_where_it_is_earlier() -> None:
    order = given(*VERIFYING)
    latest = order.history[-1].event.occurred_at
    at_once = order.when(retracted(retracts=2, at=latest)).then("awaiting-payment")
    assert at_once.history[-1].effective_at is None
    later = order.when(retracted(retracts=2)).then("awaiting-payment")
    assert later.history[-1].effective_at is None
    early = order.when(retracted(retracts=2, at=latest - timedelta(seconds=1)))
    assert early.then("awaiting-payment", ("out-of-order",)).history[-1].effective_at == latest


# Money.


@pytest.mark.parametrize(
    ("to_buyer", "answer"),
    [("0.01", "split"), ("19.99", "split"), ("20.00", "buyer")],
)
def test_a_cent_is_enough_to_have_got_money(to_buyer: str, answer: str) -> None:
    """R18: who got how little does not matter."""
    resolved = dispute_resolved(outcome="buyer-won" if answer == "buyer" else "partial", to_buyer=to_buyer)
    given(*SHIPPED, dispute_opened(), resolved).leaves(money_went_to=answer)


def test_a_cent_is_enough_to_be_held() -> None:
    given(*CONFIRMED, paid(amount="0.01")).leaves(money_went_to="escrow", escrow="0.01")


def test_a_cent_is_all_the_buyer_got() -> None:
    bought = (placed(amount="0.01"), paid(amount="0.01"))
    given(*bought, closed(reason="administration")).leaves(money_went_to="buyer")


def test_an_order_whose_money_the_seller_has_can_still_be_disputed() -> None:
    """R12: a cent is enough to dispute about."""
    given(*SHIPPED, closed()).when(dispute_opened()).then("disputed")
    given(*CONFIRMED, refunded(amount="19.99")).when(dispute_opened()).then("disputed")
    given(*CONFIRMED, refunded(amount="20.00")).when(dispute_opened()).refused("R12")
    given(*CONFIRMED, paid()).leaves(escrow="20.00", to_seller="20.00").when(dispute_opened()).then("disputed")


# The flags of an order.


def test_an_order_has_its_flags_up_or_down() -> None:
    """They are told as they are, true or false."""
    order = given(*SHIPPED, dispute_opened(), frozen())
    order.leaves(disputed=True, frozen=True, status="disputed", base="shipped")
    order = order.when(dispute_withdrawn()).leaves(disputed=False, frozen=True, status="frozen")
    order = order.when(unfrozen()).leaves(disputed=False, frozen=False, status="shipped")
    assert [order.order.disputed, order.order.frozen, order.order.confirmed] == [False, False, False]
    assert order.when(confirmed()).order.confirmed is True


def test_an_order_nobody_placed_is_nothing() -> None:
    order = fold(ORDER, [])
    assert (order.version, order.history, order.status, order.known) == (0, [], "none", False)
    assert order.money_went_to is None


def test_the_lines_of_a_moment_are_found_packed_or_not() -> None:
    """A writer keeps its lines as bytes; they are the same lines, and the others stay packed."""
    order = given(*VERIFYING, noted(at=after(hours=1)), noted(at=after(hours=2))).order
    moment = after(hours=1).astimezone(timezone(timedelta(hours=8)))
    plain = [decode(encode(line)[:-1]) for line in order.history]
    assert [line.version for line in order.happened_at(moment)] == [2, 3]
    order.lines = [encode(line) for line in order.history]
    assert order.happened_at(moment) == plain[1:3]
    assert order.happened_at(after(hours=9)) == []
    assert (order.history, order.line(1), order.line(4)) == (plain, plain[0], plain[3])
    order.lines[0] = b"not looked at"
    assert order.happened_at(moment) == plain[1:3]


def noted_and_scanned() -> Order:
    """An order with notes and scans on days 4, 5 and 6, of which the first note was taken back."""
    return given(
        *SHIPPED,
        noted(at=after(4)),
        retracted(at=after(4), retracts=len(SHIPPED) + 1),
        scanned(at=after(4), checkpoint="import"),
        noted(at=after(5)),
        noted(at=after(6)),
        scanned(at=after(6), checkpoint="export"),
    ).order


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("kinds", "days", "found", "unpacked"),
    [
        ((Noted,), (), ["noted 5", "noted 6"], 3),
        ((Scanned,), (), ["scanned 4", "scanned 6"], 2),
        ((Noted, Scanned), (), ["scanned 4", "noted 5", "noted 6", "scanned 6"], 5),
        ((Scanned,), (6,), ["scanned 6"], 1),
        ((Noted,), (5, 6), ["noted 5", "noted 6"], 2),
        ((Closed,), (), [], 0),
    ],
    ids=str,
)
def test_the_lines_in_force_of_some_types_are_found_packed_or_not(
    monkeypatch: pytest.MonkeyPatch,
    packed: bool,
    kinds: tuple[type[Event], ...],
    days: tuple[int, ...],
    found: list[str],
    unpacked: int,
) -> None:
    """Only lines that may be of these types, and of these days, are unpacked."""
    order, decoded = noted_and_scanned(), list[bytes]()
    if packed:
        order.lines = [encode(line) for line in order.history]

    def unpack(line: bytes) -> Recorded:
        decoded.append(line)
        return decode(line)

    monkeypatch.setattr("ledger.order.decode", unpack)
    lines = order.in_force_of(kinds, [after(day) for day in days])
    told = [f"{tag_of(line.event)} {(line.event.occurred_at - after(0)).days}" for line in lines]
    assert [one for one in told if not days or int(one[-1]) in days] == found
    assert len(decoded) == (unpacked if packed else 0)


def test_a_bounced_refund_has_failed_until_one_arrives_or_the_order_is_closed_anew() -> None:
    order = given(*PROCESSING, closed(reason="not-shipped"))
    assert order.order.refund_failed is False
    order = order.when(refund_failed())
    assert order.order.refund_failed is True
    assert order.when(refunded()).order.refund_failed is False
    disputed = given(*CONFIRMED, dispute_opened(), refund_failed())
    assert disputed.order.refund_failed is True
    assert disputed.when(dispute_resolved()).order.refund_failed is False


def test_a_retraction_is_the_usual_actors_and_says_that_its_time_was_ambiguous() -> None:
    order = given(*VERIFYING).when(retracted(retracts=2, ambiguous_time=True))
    order.then("awaiting-payment", ("ambiguous-time",), actor="buyer")
    assert order.order.retracted == {2: order.history[-1]}


def test_an_order_has_the_title_it_was_placed_with() -> None:
    given(placed(title="a lamp")).leaves(title="a lamp")
    given(placed()).leaves(title=None)


def test_a_closing_without_a_reason_is_of_unknown_cause() -> None:
    assert closure_reason(Closed(order_id=ORDER, occurred_at=NOW)) == "unknown"


def test_what_a_retraction_keeps_is_the_orders_name_its_lines_and_their_ids() -> None:
    """R23: everything else is as if the event had never been."""
    order = given(*AWAITING, paid(fact_id="a"), retracted(retracts=2, fact_id="b")).order
    assert (order.order_id, order.version, order.fact_ids) == (ORDER, 3, {"a": 2, "b": 3})
    assert (len(order.lines), list(order.retracted), order.paid) == (3, [2], 0)
