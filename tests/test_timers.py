"""The timers: what starts and moves them, when they are met, whether they still run."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from ledger.decide import Decision, decide
from ledger.events import Closed, Fact, Recorded, Shipped, tag_of
from ledger.lifecycle import TABLE
from ledger.order import evolve, fold
from ledger.policy import load
from ledger.timers import BY_NAME, CLOSES, KINDS, Timer, answer, come_due, last_setting, settings, timers
from tests.scenario import (
    AWAITING,
    CANCELLING,
    CONFIRMED,
    DELIVERED,
    NOW,
    POLICY,
    PROCESSING,
    SHIPPED,
    START,
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
    feedback_left,
    frozen,
    given,
    line_of,
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
from tests.strategies import histories


def timer(order: Scenario, name: str, now: datetime = START) -> Timer:
    """Return the order's current timer of that name."""
    return [found for found in timers(order.order, now) if found.timer == name][-1]


def has_timer(order: Scenario, name: str) -> bool:
    """Return whether a timer of that name was ever set."""
    return any(found.timer == name for found in timers(order.order, after(0)))


@pytest.mark.parametrize(
    ("facts", "fact", "name", "days"),
    [
        ((), placed, "pay_by", 20),
        (AWAITING, paid, "verify_by", 1),
        (VERIFYING, verified, "ship_by", 7),
        (PROCESSING, cancel_requested, "answer_by", 14),
        (PROCESSING, shipped, "protected_until", 40),
        (SHIPPED, frozen, "review_by", 7),
        (SHIPPED, confirmed, "dispute_until", 7),
        (SHIPPED, confirmed, "feedback_until", 30),
    ],
)
def test_each_timer_has_its_length(facts: tuple[Fact, ...], fact: object, name: str, days: int) -> None:
    """An event of the type sets its timer, counted in days of 24 hours from its own time."""
    assert callable(fact)
    order = given(*facts, fact(at=after(1)))
    assert getattr(order.history[-1].event, name) == after(1 + days)
    order.leaves(**{name: after(1 + days)})
    found = timer(order, name)
    assert (found.due_at, found.started_at) == (after(1 + days), after(1))
    assert found.started_by == tag_of(order.history[-1].event)


def met(order: Scenario, name: str) -> list[tuple[int, int | None]]:
    """Return by version what set the timer of that name each time, and what met it."""
    found = settings(BY_NAME[name], order.order.in_force())
    return [(setting.started.version, setting.met.version if setting.met else None) for setting in found]


def test_each_setting_of_a_timer_has_what_met_it() -> None:
    """The first event that was recorded after it, or before it but did not happen earlier."""
    asked = given(*CANCELLING, cancel_declined(), cancel_requested())
    assert met(asked, "answer_by") == [(4, 5), (6, None)]
    assert met(asked.when(cancel_accepted()), "answer_by") == [(4, 5), (6, 7)]
    assert met(given(*PROCESSING, processing_extended(), shipped()), "ship_by") == [(3, 5), (4, 5)]
    late = given(*PROCESSING, cancel_declined(at=after(9)), cancel_requested(at=after(1)))
    assert met(late, "answer_by") == [(5, 4)]
    earlier = given(*PROCESSING, cancel_declined(at=after(1)), cancel_requested(at=after(2)))
    assert met(earlier, "answer_by") == [(5, None)]


def test_each_date_of_a_refund_is_met_when_nothing_is_on_its_way_any_more() -> None:
    """A closing that sends no money back leaves the date of the one before it to be met."""
    partly = given(*SHIPPED, dispute_opened(), dispute_resolved(outcome="partial", to_buyer="5.00"))
    assert met(partly.when(refunded(amount="3.00")), "refund_by") == [(6, None)]
    assert met(partly.when(refunded(amount="3.00")).when(refunded(amount="2.00")), "refund_by") == [(6, 8)]
    again = partly.when(dispute_opened()).when(dispute_resolved(outcome="seller-won"))
    assert met(again.when(refunded(amount="5.00")), "refund_by") == [(6, 9)]
    assert met(given(*AWAITING), "refund_by") == []


def test_shipping_answers_a_request_to_cancel_and_a_closing_does_not() -> None:
    """Only what the seller does is an answer."""
    found = answer(given(*CANCELLING, shipped()).order)
    assert found is not None
    assert isinstance(found.event, Shipped)
    assert answer(given(*CANCELLING, closed(reason="cancelled")).order) is None
    assert answer(given(*CANCELLING).order) is None
    assert answer(given(*PROCESSING).order) is None


@for_all(histories())
def test_the_setting_that_counts_is_the_last_one(log: list[Recorded]) -> None:
    """The short way to it gives the same as the long way."""
    for order_id in {line.event.order_id for line in log}:
        in_force = fold(order_id, [line for line in log if line.event.order_id == order_id]).in_force()
        for kind in KINDS:
            assert last_setting(kind, in_force) == next(reversed(settings(kind, in_force)), None)


def test_a_given_due_date_wins() -> None:
    """What the fact says about its own timer is kept, in UTC."""
    zone = datetime.fromisoformat("2024-03-05T12:00:00+02:00")
    answer = given().when(placed(pay_by=zone)).then("awaiting-payment", pay_by=datetime(2024, 3, 5, 10, tzinfo=UTC))
    assert answer.order.pay_by is not None
    assert answer.order.pay_by.tzinfo == UTC
    given(*PROCESSING).when(shipped(protected_until=after(75))).leaves(protected_until=after(75))
    given(*SHIPPED).when(delivered(protected_until=after(9))).leaves(protected_until=after(9))


def test_an_order_s_own_days_win() -> None:
    """An order may say how long the seller may prepare it and how long the buyer is protected."""
    order = given(placed(processing_days=3, protection_days=60), paid(), verified(at=after(1))).leaves(ship_by=after(4))
    order.when(shipped(at=after(2))).then("shipped", protected_until=after(62))


def test_each_event_of_a_type_sets_its_timer_anew() -> None:
    """A second payment, request, freeze or verification counts from its own time."""
    given(placed(), paid(amount="5"), paid(amount="5", at=after(3))).leaves(verify_by=after(4))
    given(*CANCELLING, cancel_requested(at=after(3))).leaves(answer_by=after(17))
    given(*SHIPPED, frozen(), frozen(at=after(3))).leaves(review_by=after(10))
    given(*PROCESSING, verified(at=after(3))).leaves(ship_by=after(10))


def test_processing_extended() -> None:
    """The days are added to the seller's time; before there is one, to the usual length from now."""
    order = given(placed(), paid(), verified(at=after(1))).leaves(ship_by=after(8))
    order = order.when(processing_extended(days=3)).then("processing", ship_by=after(11))
    order.when(processing_extended(days=2)).then("processing", ship_by=after(13))
    early = given(*VERIFYING).when(processing_extended(days=3, at=after(1)))
    early.then("verifying-payment", ("out-of-turn",), ship_by=after(11))
    own = given(placed(processing_days=2), paid(), processing_extended(days=3, at=after(1)))
    own.leaves(ship_by=after(6))


def test_protection_extended() -> None:
    """The days are added to the protection; before there is one, to the usual length from now."""
    order = given(*PROCESSING, shipped(at=after(1))).leaves(protected_until=after(41))
    order = order.when(protection_extended(days=10)).then("shipped", protected_until=after(51))
    order.when(delivered(at=after(20))).leaves(protected_until=after(25))
    scanned_first = order.when(delivered(at=after(20))).when(protection_extended(days=10, at=after(21)))
    scanned_first.then("delivered", protected_until=after(35))
    early = given(*PROCESSING).when(protection_extended(days=10, at=after(1)))
    early.then("processing", ("out-of-turn",), protected_until=after(51))
    early.when(shipped(at=after(2))).leaves(protected_until=after(51))


def test_a_dispute_or_freeze_does_not_shift_due_dates() -> None:
    """An extension during a freeze counts as ever, and a freeze moves nothing."""
    order = given(*PROCESSING, shipped(at=after(1)), frozen(at=after(2)), unfrozen(at=after(9)))
    order.leaves(protected_until=after(41))
    order = given(*PROCESSING, shipped(at=after(1)), dispute_opened(at=after(2)))
    order.when(protection_extended(days=10)).then("disputed", ("out-of-turn",), protected_until=after(51))


def test_only_the_first_shipment_starts_the_protection() -> None:
    """R18: more parcels or a new tracking number do not protect for longer."""
    order = given(*PROCESSING, shipped(at=after(1)))
    order.when(shipped(at=after(5), tracking="A2")).then("shipped").leaves(protected_until=after(41))


def test_a_delivery_scan_cuts_the_protection() -> None:
    """To five days after the scan at most; one that ends before stays; any parcel's scan counts."""
    order = given(*PROCESSING, shipped(at=after(1)))
    cut = order.when(delivered(at=after(10))).then("delivered").leaves(protected_until=after(15))
    cut.when(delivered(at=after(12))).then("delivered").leaves(protected_until=after(15))
    cut.when(delivered(at=after(8))).then("delivered").leaves(protected_until=after(13))
    order.when(delivered(at=after(38))).then("delivered").leaves(protected_until=after(41))
    order.when(scanned(at=after(10), checkpoint="attempted")).leaves(protected_until=after(41))


def test_a_delivery_scan_starts_a_protection_where_there_is_none() -> None:
    """A parcel that nobody reported as shipped is protected for five days from its scan."""
    order = given(*PROCESSING).when(delivered(at=after(1))).then("delivered", ("gap",)).leaves(protected_until=after(6))
    order.when(shipped(at=after(2))).then("delivered", ("out-of-turn",)).leaves(protected_until=after(6))


@pytest.mark.parametrize(
    ("closed_at", "refund_by"),
    [
        ("2024-03-01T10:00:00Z", "2024-03-29T10:00:00Z"),  # Friday to Friday
        ("2024-03-02T23:59:00Z", "2024-03-29T23:59:00Z"),  # a Saturday counts like the Friday before it
        ("2024-03-03T00:00:00Z", "2024-03-29T00:00:00Z"),  # and so does a Sunday
        ("2024-03-04T10:00:00Z", "2024-04-01T10:00:00Z"),
        ("2024-03-06T10:00:00.5Z", "2024-04-03T10:00:00.5Z"),
    ],
)
def test_security_refund_in_business_days(closed_at: str, refund_by: str) -> None:
    """R15: twenty days from Monday to Friday, the first day not counted, at the same time of day."""
    order = given(placed(at=after(-9)), paid(at=after(-8)), verified(at=after(-7)))
    answer = order.when(closed_by_security(at=datetime.fromisoformat(closed_at)))
    answer.then("closed", refund_by=datetime.fromisoformat(refund_by))


def test_business_days_of_a_policy() -> None:
    """A policy may name holidays, and the time zone in which days are counted."""
    policy = load("aliexpress", b'holidays = ["2024-03-08", "2024-03-09"]\n')
    answer = given(*PROCESSING, policy=policy).when(closed_by_security(at=after(3)))
    answer.then("closed", refund_by=datetime(2024, 4, 2, 10, tzinfo=UTC))
    far_east = load("aliexpress", b'time_zone = "Asia/Vladivostok"\nsecurity_refund_business_days = 1\n')
    friday_there_saturday = datetime(2024, 3, 8, 20, tzinfo=UTC)
    answer = given(*PROCESSING, policy=far_east).when(closed_by_security(at=friday_there_saturday))
    answer.then("closed", refund_by=datetime(2024, 3, 10, 20, tzinfo=UTC))


def test_windows_after_closing() -> None:
    """Confirming opens a week for a dispute, expiry fifteen days, feedback follows delivery or confirmation."""
    given(*SHIPPED).when(confirmed(at=after(1))).then(None, ("gap",), dispute_until=after(8), feedback_until=after(31))
    expired = closed(reason="protection-expired", at=after(1))
    given(*SHIPPED).when(expired).then("closed", dispute_until=after(16), feedback_until=None)
    given(*DELIVERED).when(expired).then("closed", dispute_until=after(16), feedback_until=after(31))
    other = closed(reason="administration", at=after(1))
    given(*SHIPPED).when(other).then("closed", dispute_until=None, feedback_until=None)
    given(*DELIVERED).when(other).then("closed", dispute_until=None, feedback_until=after(31))
    reviewed = given(*SHIPPED, confirmed(), dispute_opened()).when(dispute_resolved(at=after(1)))
    reviewed.then("closed", dispute_until=None, feedback_until=after(31), refund_by=after(8))
    won = dispute_resolved(outcome="seller-won")
    again = given(*SHIPPED, confirmed(), dispute_opened(), won, dispute_opened(reason="other"))
    again.when(dispute_resolved(at=after(2))).then("closed", feedback_until=after(32))


def test_on_a_closed_base_only_the_closing_windows_are_set() -> None:
    """What arrives after the closing starts none of the timers of an open order."""
    order = given(*CONFIRMED)
    before = {name: getattr(order.order, name) for name in ("verify_by", "ship_by", "protected_until")}
    late = order.when(paid(amount="1", at=after(9))).when(verified(at=after(9))).when(shipped(at=after(9)))
    late = late.when(delivered(at=after(9)))
    late.leaves(**before)


def test_boundary_instants_are_inside() -> None:
    """A window still runs at its last instant."""
    order = given(*DELIVERED, confirmed(at=after(1)))
    assert timer(order, "dispute_until", after(8)).running
    assert not timer(order, "dispute_until", after(8, microseconds=1)).running
    assert timer(order, "feedback_until", after(31)).running
    assert not timer(order, "feedback_until", after(31, microseconds=1)).running


@pytest.mark.parametrize(
    ("facts", "name", "meets"),
    [
        (AWAITING, "pay_by", paid()),
        (VERIFYING, "verify_by", verified()),
        (PROCESSING, "ship_by", shipped()),
        (CANCELLING, "answer_by", cancel_accepted()),
        (CANCELLING, "answer_by", cancel_declined()),
        (CANCELLING, "answer_by", shipped()),
        ((*SHIPPED, frozen()), "review_by", unfrozen()),
        (CONFIRMED, "dispute_until", dispute_opened()),
        (CONFIRMED, "feedback_until", feedback_left()),
        ((*SHIPPED, closed(reason="administration")), "refund_by", refunded()),
        (AWAITING, "pay_by", closed(reason="payment-timeout")),
        (VERIFYING, "verify_by", closed()),
        (PROCESSING, "ship_by", closed(reason="not-shipped")),
        (CANCELLING, "answer_by", closed(reason="cancelled")),
        (SHIPPED, "protected_until", confirmed()),
        ((*SHIPPED, frozen()), "review_by", closed_by_security()),
    ],
)
def test_a_timer_is_met(facts: tuple[Fact, ...], name: str, meets: Fact) -> None:
    """By what it waited for, or by the closing; until then it runs, and a note changes nothing."""
    order = given(*facts, noted())
    found = timer(order, name)
    assert (found.met_at, found.running) == (None, True)
    met = order.when(meets)
    found = timer(met, name)
    assert (found.met_at, found.running) == (met.event.occurred_at, False)


def test_an_overdue_timer_of_an_open_order_runs() -> None:
    """What has run out while the order is open still waits to be dealt with."""
    assert timer(given(*SHIPPED), "protected_until", after(999)).running
    assert timer(given(*AWAITING), "pay_by", after(999)).running


def test_a_refund_runs_until_nothing_is_on_its_way() -> None:
    """Neither a part of it nor a bounced one meets it; overdue it still runs."""
    order = given(*SHIPPED, closed(reason="administration"), refunded(amount="5"), refund_failed())
    found = timer(order, "refund_by", after(999))
    assert (found.met_at, found.running) == (None, True)
    whole = order.when(refunded(amount="15"))
    assert timer(whole, "refund_by", after(999)).met_at == whole.event.occurred_at
    assert not timer(whole, "refund_by").running


def test_retracted_events_set_no_timers() -> None:
    """R23: what was taken back started nothing and met nothing."""
    assert not has_timer(given(*AWAITING, paid(), retracted(retracts=2)), "verify_by")
    order = given(*PROCESSING, shipped(), retracted(retracts=4))
    assert timer(order, "ship_by").running
    assert not has_timer(order, "protected_until")


def test_every_timer_tells_its_consequence() -> None:
    """What happens when it runs out is said with the timer."""
    order = given(*CANCELLING, shipped(), frozen(), unfrozen(), delivered(), confirmed())
    assert all(found.consequence for found in timers(order.order, after(0)))
    assert {found.timer for found in timers(order.order, after(0))} == {
        *("pay_by", "verify_by", "ship_by", "answer_by", "protected_until", "review_by"),
        *("dispute_until", "feedback_until"),
    }


def test_lengths_come_from_the_policy() -> None:
    """R20: a ledger with other numbers gets other due dates."""
    policy = load("aliexpress", b"pay_days = 3\ndispute_after_confirmed_days = 3\nprotection_after_scan_days = 15\n")
    order = given(placed(at=after()), paid(), verified(), shipped(), policy=policy).leaves(pay_by=after(3))
    order = order.when(delivered(at=after(1))).leaves(protected_until=after(16))
    order.when(confirmed(at=after(2))).leaves(dispute_until=after(5))


def test_a_window_of_no_days_never_opens() -> None:
    """R20: some sources know no dispute after confirming."""
    policy = load("aliexpress", b"dispute_after_confirmed_days = 0\n")
    order = given(*CONFIRMED, policy=policy).leaves(dispute_until=None)
    order.when(dispute_opened()).then("disputed", ("after-window",))


# What has come due (R21).


@pytest.mark.parametrize(
    ("facts", "reason", "timer_name"),
    [
        (AWAITING, "payment-timeout", "pay_by"),
        (PROCESSING, "not-shipped", "ship_by"),
        ((*PROCESSING, processing_extended(days=30), cancel_requested()), "cancelled", "answer_by"),
        (SHIPPED, "protection-expired", "protected_until"),
        (DELIVERED, "protection-expired", "protected_until"),
    ],
)
def test_a_closing_comes_due_after_its_timer(facts: tuple[Fact, ...], reason: str, timer_name: str) -> None:
    """R21: at the instant the timer ran out, and not before; recorded, there is none any more."""
    order = given(*facts)
    due_at = timer(order, timer_name).due_at
    assert come_due(order.order, due_at) is None
    due = come_due(order.order, due_at + timedelta(microseconds=1))
    assert due == Closed(order_id=order.order.order_id, occurred_at=due_at, reason=reason)  # type: ignore[arg-type]
    closed_then = order.when(due).then("closed", reason=reason)
    assert come_due(closed_then.order, NOW) is None


def test_the_earliest_of_several_comes_due() -> None:
    """R21: a request to cancel does not stop the seller's time to ship."""
    due = come_due(given(*CANCELLING).order, NOW)
    assert due is not None
    assert due.reason == "not-shipped"


@pytest.mark.parametrize(
    "facts",
    [
        VERIFYING,
        (*SHIPPED, dispute_opened()),
        (*SHIPPED, frozen()),
        CONFIRMED,
        (*SHIPPED, closed(reason="administration")),
        (*AWAITING, retracted(retracts=1)),
    ],
)
def test_nothing_comes_due(facts: tuple[Fact, ...]) -> None:
    """R19, R21: a late verification, review or refund closes nothing; a dispute or freeze holds the protection."""
    assert come_due(given(*facts).order, NOW) is None


def test_what_the_lifecycle_refuses_does_not_come_due() -> None:
    """R21: what is delivered is neither unpaid nor unshipped, and the next timer counts."""
    order = given(*AWAITING, verified(), delivered())
    assert timer(order, "pay_by", NOW).running
    due = come_due(order.order, NOW)
    assert due is not None
    assert due.reason == "protection-expired"


def test_a_closing_that_was_taken_back_does_not_come_due_again() -> None:
    """R23: who takes it back knows that the platform has not closed it."""
    due = come_due(given(*SHIPPED).order, NOW)
    assert due is not None
    assert come_due(given(*SHIPPED, due, retracted(retracts=5)).order, NOW) is None


def test_timers_close_for_reasons_that_there_are() -> None:
    assert {f"closed:{reason}" for reason in CLOSES.values()} <= set(TABLE)


@for_all(histories(), st.integers(0, 400))
def test_what_comes_due_is_recorded_once(log: list[Recorded], days: int) -> None:
    """R21: it is accepted, without a flag that the order has not earned, and then nothing is due."""
    for order_id in {line.event.order_id for line in log}:
        order = fold(order_id, [line for line in log if line.event.order_id == order_id])
        now = after(days)
        due = come_due(order, now)
        if due is not None:
            decision = decide(order, due, POLICY, now)
            assert isinstance(decision, Decision)
            seq = len(log) + 1
            evolve(order, line_of(decision, seq=seq, version=order.version + 1, recorded_at=now))
            assert come_due(order, now) is None


def test_a_closing_that_the_lifecycle_would_flag_does_not_come_due() -> None:
    """The request came after the shipping, and the order has gone on without it."""
    order = given(*SHIPPED, cancel_requested()).order
    [answer] = [timer for timer in timers(order, after(20)) if timer.timer == "answer_by"]
    assert answer.running
    assert come_due(order, after(20)) is None


def test_what_the_seller_agreed_to_cancel_does_not_come_due_as_not_shipped() -> None:
    assert come_due(given(*CANCELLING).order, after(12)) is not None
    assert come_due(given(*CANCELLING, cancel_accepted()).order, after(12)) is None
