"""An explanation: right for every ending and state, each sentence with rule and events, each option one that works."""

import re
from datetime import datetime, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec.structs import replace

from commands.output import Target
from commands.story import Page
from commands.story import tell as tell_story
from commands.why import write
from ledger.decide import ADVICE, decide
from ledger.errors import Refused
from ledger.events import TYPES, Fact, Recorded, Retracted, tag_of
from ledger.order import Order, as_believed, fold
from ledger.rules import RULES
from ledger.timers import KINDS, timers
from queries import words
from queries.case import Case, Sentence
from queries.explain import Explanation, explain
from queries.options import advice, something_left
from queries.telling import tell
from tests import scenario as s
from tests.strategies import histories


def day(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d}"


def minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"


def explained(*facts: Fact, days: float = 3) -> Explanation:
    """Explain the order of these facts, so many days after the first."""
    return explain(s.given(*facts).order, s.POLICY, s.after(days), day=day, minute=minute)


def answer(*facts: Fact, days: float = 3) -> str:
    return " ".join(said.text for said in explained(*facts, days=days).answer)


def money(*facts: Fact, days: float = 3) -> list[str]:
    return [said.text for said in explained(*facts, days=days).money]


def actions(*facts: Fact, days: float = 3) -> list[str]:
    return [option.action for option in explained(*facts, days=days).options]


def types(*facts: Fact, days: float = 3) -> set[str]:
    """The types of events that the options are about."""
    options = explained(*facts, days=days).options
    return {tag_of(option.fact) for option in options if option.fact}


DISPUTED = (*s.SHIPPED, s.dispute_opened())
EXPIRED = s.closed(reason="protection-expired", at=s.after(45))
BACK = (*s.PROCESSING, s.closed(reason="not-shipped", at=s.after(8)))
PAID_LESS = (*s.AWAITING, s.paid(amount="15.00"))

STATES: list[tuple[tuple[Fact, ...], float, str]] = [
    (s.AWAITING, 3, "Waiting for your payment. That is normal: you have until 2024-03-21 10:00 to pay."),
    (s.AWAITING, 22, "Waiting for your payment. The time to pay ended on 2024-03-21 10:00, 2 days ago."),
    (s.VERIFYING, 0.5, "Your payment is being verified; 20.00 USD is held in escrow. That is normal, and usually done"),
    (s.VERIFYING, 3, "That takes longer than usual: it was due by 2024-03-02 11:00, 1 day ago."),
    (PAID_LESS, 0.5, "You have paid 15.00 USD of 20.00 USD."),
    (s.PROCESSING, 3, "That is normal: the seller has until 2024-03-08 12:00 to ship."),
    (s.PROCESSING, 9, "The seller is late: it had to ship by 2024-03-08 12:00, 1 day ago."),
    ((*s.CANCELLING, s.cancel_declined()), 3, "The seller declined to cancel, so that you may open a dispute"),
    (s.CANCELLING, 3, "without an answer by 2024-03-15 13:00 it is cancelled, and your money comes back."),
    (s.CANCELLING, 20, "The seller had to answer by 2024-03-15 13:00, 5 days ago: without an answer"),
    (
        (*s.CANCELLING, s.cancel_accepted()),
        3,
        "The seller agreed to cancel, and the platform has to close the order; 20.00 USD is held in escrow. "
        "That is normal: your money comes back then.",
    ),
    (
        (*s.CANCELLING, s.cancel_accepted(), s.frozen()),
        3,
        "Apart from that the seller agreed to cancel, and the platform has to close the order.",
    ),
    ((*s.VERIFYING, s.frozen()), 3, "Apart from that your payment is being verified."),
    ((*s.AWAITING, s.frozen()), 3, "Apart from that it waits for your payment."),
    (s.SHIPPED, 3, "That is normal: you are protected until 2024-04-10 13:00, and the seller is paid then"),
    (s.SHIPPED, 60, "Your protection ended on 2024-04-10 13:00, 19 days ago: the seller can be paid at any moment."),
    (
        (*s.SHIPPED, s.scanned(checkpoint="held", place="Riga")),
        3,
        "The parcel was last seen on 2024-03-01: held on its way, Riga.",
    ),
    (
        s.DELIVERED,
        3,
        "The carrier says that the parcel was delivered; 20.00 USD is held in escrow. The delivery scan of 2024-03-01 "
        "cut your protection from 2024-04-10 to 2024-03-06. If you do not have the parcel, open a dispute before "
        "2024-03-06 14:00: then your protection ends and the seller is paid.",
    ),
    (
        DISPUTED,
        3,
        "In dispute: the platform has to decide; 20.00 USD is held in escrow. Apart from that the parcel is "
        "on its way. While that lasts, the end of your protection on 2024-04-10 13:00 does not close the order. Do not "
        "confirm meanwhile: that ends the dispute and pays the seller.",
    ),
    (
        (*s.CONFIRMED, s.dispute_opened()),
        3,
        "It stays closed (you confirmed that the parcel arrived): the dispute only",
    ),
    ((*s.SHIPPED, s.frozen()), 3, "The review should end by 2024-03-08 14:00: then the freeze is lifted, or"),
    ((*s.SHIPPED, s.frozen()), 30, "The review is late: it should have ended by 2024-03-08 14:00, 22 days ago."),
]

ENDINGS: list[tuple[tuple[Fact, ...], str]] = [
    (
        s.CONFIRMED,
        "Closed on 2024-03-01: you confirmed that the parcel arrived; 20.00 USD went to the seller. That is the usual "
        "end: your word that the parcel arrived pays the seller.",
    ),
    ((*s.SHIPPED, s.confirmed()), "No delivery scan is recorded: if you did not hold the parcel yet, you confirmed"),
    (
        (*s.SHIPPED, s.confirmed(), s.delivered(at=s.after(2))),
        "The parcel was scanned as delivered only afterwards, on 2024-03-03.",
    ),
    ((*s.SHIPPED, EXPIRED), "without a confirmation or a running dispute; but no delivery scan is recorded."),
    (
        (*s.DELIVERED, EXPIRED),
        "The delivery scan of 2024-03-01 cut your protection from 2024-04-10 to 2024-03-06. No dispute was open then;",
    ),
    (
        (*s.SHIPPED, s.delivered(at=s.after(39)), EXPIRED),
        "That is the rule when protection ends without a confirmation or a running dispute.",
    ),
    (
        (*s.SHIPPED, s.closed(reason="protection-expired")),
        "Your protection was to last until 2024-04-10 13:00, but the order was closed before that: ask",
    ),
    (
        (*s.AWAITING, s.closed(reason="payment-timeout", at=s.after(20))),
        "not paid in time; nothing had been paid. That is normal: you had until 2024-03-21 10:00 to pay, and did not.",
    ),
    (
        (*s.AWAITING, s.closed(reason="payment-timeout", at=s.after(19))),
        "It came early: you had until 2024-03-21 10:00 to pay.",
    ),
    ((*s.VERIFYING, s.closed(reason="payment-timeout")), "Yet a payment is recorded: ask the platform why."),
    (BACK, "That is normal: the seller had until 2024-03-08 12:00 to ship, and did not."),
    ((*s.PROCESSING, s.closed(reason="not-shipped")), "It came early: the seller had until 2024-03-08 12:00 to ship."),
    ((*s.AWAITING, s.closed(reason="cancelled", by="buyer")), "while nothing is paid you can cancel alone."),
    (
        (*s.CANCELLING, s.cancel_accepted(), s.closed(reason="cancelled")),
        "That is normal: you asked for it on 2024-03-01, and the seller agreed.",
    ),
    (
        (*s.CANCELLING, s.closed(reason="cancelled", at=s.after(16))),
        "That is normal: you asked for it on 2024-03-01, and the seller did not answer.",
    ),
    (
        (*s.CANCELLING, s.closed(reason="cancelled")),
        "It came early: you asked for it on 2024-03-01, and the seller could still answer.",
    ),
    (
        (*s.CANCELLING, s.cancel_declined(), s.closed(reason="cancelled")),
        "It was cancelled all the same: you asked for it on 2024-03-01, and the seller declined.",
    ),
    ((*s.PROCESSING, s.closed(reason="cancelled")), "Nobody is recorded to have asked for that: ask the platform why."),
    ((*s.PROCESSING, s.closed(reason="out-of-stock")), "That happens: the seller had nothing to send."),
    (
        (*s.SHIPPED, s.closed(reason="administration", note="the shop is gone")),
        "That can happen: the platform may close an order on its own: “the shop is gone”.",
    ),
    (
        (*s.SHIPPED, s.closed_by_security(reason="fraud")),
        "the platform closed it for security reasons (fraud); 20.00 USD is on its way back to you, due by 2024-03-29. "
        "That is done where fraud is suspected. You need to do nothing: the money goes back by itself, to the account "
        "it was debited from.",
    ),
    ((*s.AWAITING, s.closed_by_security()), "That is done where fraud is suspected; you had paid nothing."),
    (
        (*s.SHIPPED, s.closed_by_security(), s.refund_failed()),
        "as a rule the money goes back by itself, to the account it was debited from; here it did not.",
    ),
    (
        (*s.SHIPPED, s.closed()),
        "Closed on 2024-03-01: the platform closed it without a known cause; 20.00 USD is still held in escrow, and "
        "nobody has said where it goes; you may open a dispute. That is suspicious: every closing has a cause, and "
        "nobody has told this one. The seller cannot have closed it: only you and the platform can.",
    ),
    ((*DISPUTED, s.dispute_resolved()), "you won; 20.00 USD is on its way back to you, due by 2024-03-08."),
    ((*DISPUTED, s.dispute_resolved()), "A dispute is the platform's to decide, and it decided for you."),
    ((*DISPUTED, s.dispute_resolved(outcome="seller-won")), "and it decided for the seller."),
    ((*DISPUTED, s.dispute_resolved(outcome="partial", to_buyer="5.00")), "and it may divide the money."),
    (
        (*s.CONFIRMED, s.dispute_opened(), s.dispute_resolved()),
        "The seller had been paid already, so 20.00 USD was taken back from the seller.",
    ),
    (
        (*s.PROCESSING, s.closed(reason="not-shipped", to_seller="20.00")),
        "Usually all that is held goes to you then; here it did not.",
    ),
    (
        (*s.SHIPPED, s.closed(reason="protection-expired", to_buyer="5.00")),
        "Usually all that is held goes to the seller",
    ),
]


SHIPPED_TOO = (*s.PROCESSING, s.closed(reason="not-shipped", at=s.after(8)))
ANSWERED: list[tuple[tuple[Fact, ...], str, tuple[int, ...]]] = [
    (
        (*SHIPPED_TOO, s.shipped(at=s.after(5))),
        "Yet the parcel was shipped on 2024-03-06; the seller had until 2024-03-08 12:00: ask the platform why.",
        (4, 5),
    ),
    (
        (*SHIPPED_TOO, s.shipped(at=s.after(7.5))),
        "Yet the parcel was shipped on 2024-03-08, too late; the seller had until 2024-03-08 12:00: ask the platform",
        (4, 5),
    ),
    (
        (*SHIPPED_TOO, s.shipped(at=s.after(9))),
        "The parcel was shipped only afterwards, on 2024-03-10; the seller had until 2024-03-08 12:00.",
        (4, 5),
    ),
    (
        (*s.CANCELLING, s.shipped(), s.closed(reason="cancelled", at=s.after(16))),
        "It was cancelled all the same: you asked for it on 2024-03-01, and the seller shipped the parcel.",
        (4, 5, 6),
    ),
    (
        (
            *s.PROCESSING,
            s.cancel_declined(at=s.after(2)),
            s.cancel_requested(at=s.after(1)),
            s.closed(reason="cancelled", at=s.after(16)),
        ),
        "It was cancelled all the same: you asked for it on 2024-03-02, and the seller declined.",
        (4, 5, 6),
    ),
    (
        (
            *s.CANCELLING,
            s.cancel_declined(at=s.after(1)),
            s.cancel_requested(at=s.after(2)),
            s.closed(reason="cancelled", at=s.after(17)),
        ),
        "That is normal: you asked for it on 2024-03-03, and the seller did not answer.",
        (6, 7),
    ),
]


@pytest.mark.parametrize(("facts", "text", "seqs"), ANSWERED)
def test_a_closing_is_judged_by_what_the_seller_did(facts: tuple[Fact, ...], text: str, seqs: tuple[int, ...]) -> None:
    said = explained(*facts).answer[1]
    assert text in said.text
    assert said.seqs == seqs


def test_the_status_beneath_a_flag_rests_on_what_brought_it() -> None:
    found = explained(*s.SHIPPED, s.scanned(), s.frozen(), s.noted()).answer
    assert next(said.seqs for said in found if said.text == "Apart from that the parcel is on its way.") == (4,)


def test_protection_that_was_cut_by_hours_is_told_by_the_minute() -> None:
    facts = (*s.PROCESSING, s.shipped(protected_until=s.after(9)), s.delivered(at=s.after(3.9)))
    assert "cut your protection from 2024-03-10 10:00 to 2024-03-10 07:36." in answer(*facts)
    unseen = (*s.PROCESSING, s.shipped(protected_until=s.after(9, seconds=30)), s.delivered(at=s.after(4)))
    assert "cut your protection" not in answer(*unseen)


@pytest.mark.parametrize(("facts", "days", "text"), STATES)
def test_the_answer_says_how_an_open_order_stands_and_whether_that_is_normal(
    facts: tuple[Fact, ...], days: float, text: str
) -> None:
    assert text in answer(*facts, days=days)


@pytest.mark.parametrize(("facts", "text"), ENDINGS)
def test_the_answer_says_why_an_order_was_closed_and_whether_that_is_normal(facts: tuple[Fact, ...], text: str) -> None:
    assert text in answer(*facts)


def test_a_disputed_or_unknown_state_of_the_lifecycle_has_an_answer_each() -> None:
    reasons = {s.given(*facts).order.closure_reason for facts, _ in ENDINGS}
    assert reasons == set(words.CLOSURES)
    assert {s.given(*facts).order.status for facts, _, _ in STATES} == set(words.STATUSES) - {"closed", "none"}


# The money.


def test_each_part_of_the_money_is_told_where_it_is() -> None:
    assert money(*s.AWAITING) == ["Nothing was paid."]
    assert money(*s.SHIPPED) == ["20.00 USD is in escrow: the marketplace holds it, neither you nor the seller has it."]
    assert money(*DISPUTED, s.dispute_resolved(outcome="partial", to_buyer="5.00", at=s.after(2))) == [
        "15.00 USD is with the seller.",
        "5.00 USD is on its way back to you, and should arrive by 2024-03-10 10:00.",
    ]
    assert money(*s.SHIPPED, s.closed()) == ["20.00 USD is still in escrow, until a refund or a dispute moves it."]
    late = money(*s.CONFIRMED, s.paid(amount="3.00"))
    assert late[0].startswith("3.00 USD is in escrow: it came when the order was closed already")


def test_a_refund_says_by_when_how_late_and_that_it_bounced() -> None:
    assert money(*BACK, days=9) == ["20.00 USD is on its way back to you, and should arrive by 2024-03-23 10:00."]
    assert money(*BACK, days=25) == [
        "20.00 USD is on its way back to you, and late: it should have arrived by 2024-03-23 10:00, 3 days ago."
    ]
    bounced = (*BACK, s.refund_failed(reason="card expired", at=s.after(10)))
    assert money(*bounced, days=11) == ["20.00 USD is owed to you: the refund bounced on 2024-03-11 (card expired)."]
    assert money(*bounced, days=25)[0].endswith("; it should have arrived by 2024-03-23 10:00, 3 days ago.")
    again = (*bounced, s.refunded(amount="5.00", at=s.after(24)))
    assert money(*again, days=25)[1] == "5.00 USD arrived on your account on 2024-03-25, 2 days late."


TWICE_CLOSED = (
    *DISPUTED,
    s.dispute_resolved(outcome="partial", to_buyer="5.00", dispute_until=s.after(30)),
    s.dispute_opened(),
    s.dispute_resolved(outcome="seller-won"),
)
"""An order whose first closing sent money back, and whose second one sent none."""


def test_a_refund_keeps_the_date_of_the_closing_that_sent_it() -> None:
    coming = "5.00 USD is on its way back to you, and should arrive by 2024-03-08 15:00."
    assert coming in money(*TWICE_CLOSED)
    assert "5.00 USD is on its way back to you, due by 2024-03-08; 15.00 USD went to" in answer(*TWICE_CLOSED)
    assert actions(*TWICE_CLOSED) == ["wait: the refund comes by itself"]
    late = explained(*TWICE_CLOSED, days=9)
    assert "overdue since 2024-03-08" in late.answer[0].text
    assert (late.answer[0].tone, late.options[0].urgent, late.options[0].until) == ("late", True, None)
    assert late.options[0].action.startswith("ask the platform where the refund is")
    bounced = explained(*TWICE_CLOSED, s.refund_failed()).options
    assert [(option.urgent, option.action) for option in bounced] == [
        (True, "give the platform an account that works, and ask for the refund again")
    ]
    arrived = money(*TWICE_CLOSED, s.refunded(amount="5.00", at=s.after(9)), days=10)
    assert "5.00 USD arrived on your account on 2024-03-10, 1 day late." in arrived


def test_a_refund_without_a_date_says_so() -> None:
    *before, last = s.given(*BACK).history
    undated = fold(s.ORDER, [*before, replace(last, event=replace(last.event, refund_by=None))])
    found = explain(undated, s.POLICY, s.after(9), day=day, minute=minute)
    assert [said.text for said in found.money] == ["20.00 USD is on its way back to you; by when, nobody has said."]
    assert "20.00 USD is on its way back to you." in found.answer[0].text
    assert "ask the platform when the refund comes" in [option.action for option in found.options]


def test_a_claw_back_and_a_refund_nobody_decided_are_told() -> None:
    assert money(*s.CONFIRMED, s.dispute_opened(), s.dispute_resolved())[0] == (
        "20.00 USD was taken back from the seller."
    )
    assert money(*s.SHIPPED, s.closed(), s.refunded()) == [
        "20.00 USD arrived on your account on 2024-03-01; nobody had decided it."
    ]
    partly = (*DISPUTED, s.dispute_resolved(outcome="partial", to_buyer="5.00"), s.refunded(amount="8.00"))
    assert money(*partly)[-1] == "8.00 USD arrived on your account on 2024-03-01; nobody had decided 3.00 USD of it."


def test_what_the_bank_showed_is_told_beside_it() -> None:
    shown = {"account_amount": "110.00", "account_currency": "BRL"}
    facts = (
        *s.AWAITING,
        s.paid(**shown),
        s.closed(reason="administration"),
        s.refunded(account_amount="108.00", account_currency="BRL"),
    )
    assert money(*facts)[-1] == (
        "Your bank showed 110.00 BRL go out and 108.00 BRL come in, at its own rate; what counts here is USD."
    )


# What can be done.


def test_most_urgent_comes_first_and_what_has_no_deadline_last() -> None:
    found = explained(*BACK, s.refund_failed(), days=9).options
    assert (found[0].urgent, found[0].until) == (True, None)
    found = explained(*s.CONFIRMED).options
    assert [option.until for option in found] == [s.after(7, hours=5), s.after(30, hours=5)]


@pytest.mark.parametrize(
    ("facts", "days", "expected"),
    [
        (s.AWAITING, 3, {"paid", "closed"}),
        (PAID_LESS, 0.5, {"paid"}),
        (s.VERIFYING, 0.5, set()),
        (s.PROCESSING, 3, {"cancel-requested", "processing-extended"}),
        (s.PROCESSING, 9, {"cancel-requested"}),
        ((*s.CANCELLING, s.cancel_declined()), 3, {"cancel-requested", "processing-extended", "dispute-opened"}),
        (s.CANCELLING, 3, {"dispute-opened"}),
        (s.SHIPPED, 3, {"dispute-opened", "protection-extended"}),
        (s.SHIPPED, 60, {"dispute-opened"}),
        (s.DELIVERED, 3, {"dispute-opened", "protection-extended", "confirmed"}),
        (DISPUTED, 3, {"noted", "dispute-withdrawn"}),
        ((*s.SHIPPED, s.frozen()), 3, {"noted", "dispute-opened"}),
        ((*s.PROCESSING, s.frozen()), 30, {"noted", "dispute-opened"}),
        (s.CONFIRMED, 3, {"dispute-opened", "feedback-left"}),
        (s.CONFIRMED, 10, {"feedback-left"}),
        ((*s.CONFIRMED, s.feedback_left()), 10, set()),
        ((*s.CONFIRMED, s.dispute_opened()), 3, {"noted", "dispute-withdrawn", "feedback-left"}),
        ((*s.CONFIRMED, s.dispute_opened(), s.dispute_withdrawn()), 3, {"dispute-opened", "feedback-left"}),
        ((*s.SHIPPED, s.closed()), 900, {"dispute-opened"}),
        (BACK, 9, set()),
        ((*s.CONFIRMED, s.refunded()), 3, {"feedback-left"}),  # R12: nothing is left to dispute
    ],
)
def test_only_what_is_in_order_then_is_offered(facts: tuple[Fact, ...], days: float, expected: set[str]) -> None:
    assert types(*facts, days=days) == expected


def test_what_has_no_event_is_said_in_words() -> None:
    assert "ask the platform why the payment is not verified" in actions(*s.VERIFYING)
    assert any(action.startswith("ask the platform where the refund is") for action in actions(*BACK, days=40))
    assert any(action.startswith("wait: the refund") for action in actions(*BACK, days=9))
    assert any(action.startswith("order again") for action in actions(*BACK, days=9))
    assert not any(action.startswith("order again") for action in actions(*s.CONFIRMED))
    assert any("rather from another seller" in action for action in actions(*s.SHIPPED, s.closed_by_security()))
    assert "ask the platform why it was closed, and where the money goes" in actions(*s.SHIPPED, s.closed())


def test_what_is_over_is_said() -> None:
    def over(*facts: Fact, days: float) -> list[str]:
        return [said.text for said in explained(*facts, days=days).over]

    assert over(*s.CONFIRMED, days=3) == []
    assert over(*s.CONFIRMED, days=10) == ["A dispute was possible until 2024-03-08 15:00; that is over."]
    assert over(*s.CONFIRMED, days=40)[1].startswith("Nothing is open any more")
    assert over(*DISPUTED, s.dispute_resolved(outcome="seller-won"), days=3) == [
        "The marketplace takes no dispute any more: this closing opened no window for one.",
        "No window is open, and no money is on its way or held.",
    ]
    assert over(*BACK, days=900) == []


def test_nothing_is_over_while_something_is_offered() -> None:
    partly = (*s.PROCESSING, s.closed(to_seller="20.00"))
    assert "dispute-opened" in types(*partly, days=300)
    assert explained(*partly, days=300).over == []


def test_windows_have_passed_only_where_there_were_any() -> None:
    never = explained(*BACK, s.refunded(), days=90).over
    assert [said.text for said in never] == ["No window is open, and no money is on its way or held."]
    passed = explained(*s.CONFIRMED, days=90).over
    assert passed[-1].text == "Nothing is open any more: every window has passed, and no money is on its way or held."


@pytest.mark.parametrize("facts", [(*s.SHIPPED, s.frozen()), (*s.PROCESSING, s.frozen()), (*s.VERIFYING, s.frozen())])
def test_a_freeze_and_a_dispute_ask_for_proof_by_their_own_rule(facts: tuple[Fact, ...]) -> None:
    def notes(*facts: Fact) -> list[tuple[str, tuple[int, ...], bool]]:
        found = explained(*facts, days=30).options
        return [(option.rule, option.seqs, option.until is None) for option in found if option.action[:4] == "note"]

    assert notes(*facts) == [("R19", (len(facts),), True)]
    assert notes(*facts, s.dispute_opened()) == [("L", (len(facts) + 1,), True)]


def test_an_agreed_cancellation_waits_for_the_platform_only() -> None:
    asked, agreed = actions(*s.CANCELLING), actions(*s.CANCELLING, s.cancel_accepted())
    to_close = "ask the platform to close it, now that the seller has agreed"
    assert (to_close in asked, to_close in agreed) == (False, True)
    assert not any("the seller answers" in action for action in (*asked, *agreed))
    again = answer(*s.CANCELLING, s.cancel_accepted(), s.cancel_requested())
    assert again.startswith("You asked to cancel, and the seller has to answer")


# What happened.


def story(*facts: Fact, days: float = 90) -> list[Sentence]:
    return explained(*facts, days=days).story


def test_the_story_is_told_oldest_first_with_rule_and_events() -> None:
    told = story(*s.CONFIRMED)
    assert [said.seqs for said in told] == [(1,), (2,), (3,), (4,), (5,), (6,)]
    assert [said.rule for said in told] == ["L", "R14", "L", "R18", "R18", "R15"]
    assert (told[0].at, told[0].text) == ("2024-03-01", "you placed the order for 20.00 USD")
    assert told[0].whole == "2024-03-01: you placed the order for 20.00 USD"


def test_scans_on_the_way_make_one_sentence() -> None:
    told = story(*s.SHIPPED, s.scanned(at=s.after(2), place="Riga"), s.scanned(at=s.after(4), checkpoint="import"))
    assert told[-1] == Sentence(
        "the carrier scanned the parcel: leaving its country, at Riga; 2024-03-05 in the country of destination",
        "R4",
        (5, 6),
        at="2024-03-03",
    )


def test_a_tracking_number_is_told_where_it_is_new() -> None:
    one, two = {"tracking": "RR473124829GB"}, {"tracking": "RR473124832GB"}
    told = story(*s.PROCESSING, s.shipped(**one), s.scanned(**one), s.scanned(**two), s.delivered(**two))
    assert ["GB" in said.text for said in told] == [False, False, False, True, True, False]
    assert told[4].text.endswith("2024-03-01 leaving its country, tracking number RR473124832GB")


def test_a_tracking_number_that_was_taken_back_is_told_again() -> None:
    one = {"tracking": "RR473124829GB"}
    told = story(*s.PROCESSING, s.shipped(**one), s.retracted(retracts=4), s.shipped(**one, carrier="EMS"))
    assert ["GB" in said.text for said in told[3:]] == [True, True]


def test_oddities_missing_steps_and_lateness_follow_their_event() -> None:
    told = story(*s.VERIFYING, s.shipped(at=s.after(2)), s.scanned(at=s.after(1)), s.confirmed(at=s.after(9)))
    odd = [(said.text, said.rule, said.seqs) for said in told if said.tone == "odd"]
    assert odd == [
        ("odd: no verified payment is recorded before it", "R5", (3,)),
        ("odd: no delivery scan is recorded before it", "R5", (5,)),
    ]
    late = [said.text for said in story(*s.PROCESSING, s.shipped(at=s.after(10))) if said.tone == "odd"]
    assert late == ["2 days late: seller to ship by 2024-03-08"]
    late = [said.text for said in story(*BACK, s.refunded(at=s.after(30))) if said.tone == "odd"]
    assert late == ["8 days late: refund due by 2024-03-23"]


def _odd(*facts: Fact) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(said.text, said.rule, said.seqs) for said in story(*facts) if said.tone == "odd"]


def test_lateness_goes_by_the_setting_of_the_timer_that_was_met() -> None:
    extended = (*s.PROCESSING, s.processing_extended(days=3), s.shipped(at=s.after(9)))
    assert _odd(*extended) == []
    early = (*s.PROCESSING, s.cancel_declined(at=s.after(20)), s.cancel_requested(at=s.after(2)))
    assert ("4 days late: seller to answer by 2024-03-17", "R21", (4,)) in _odd(*early)
    twice = (*TWICE_CLOSED, s.refunded(amount="5.00", at=s.after(10)))
    assert _odd(*twice)[-1] == ("2 days late: refund due by 2024-03-08", "R21", (9,))


def test_a_flag_without_a_rule_cites_that_of_its_event() -> None:
    told = _odd(*s.PROCESSING, s.shipped(tracking="RR473124820GB"))
    assert told == [("odd: the tracking number's check digit is wrong", "R18", (4,))]
    assert _odd(*s.SHIPPED, s.refund_failed())[-1][:2] == ("odd: no refund was on its way", "R15")


def test_a_retracted_pair_is_one_sentence_about_both() -> None:
    told = story(*s.AWAITING, s.paid(amount="200.00"), s.retracted(retracts=2), s.paid())
    assert told[1] == Sentence(
        "you paid 200.00 USD into escrow; this was taken back, because: a typing mistake",
        "R23",
        (2, 3),
        "gone",
        "2024-03-01",
    )
    assert [said.seqs for said in told] == [(1,), (2, 3), (4,)]


def test_an_order_nobody_placed_any_more_is_explained() -> None:
    found = explained(*s.AWAITING, s.retracted(retracts=1))
    assert found.answer == [
        Sentence("Nobody has placed this order: whatever was recorded of it was taken back.", "R23", (1, 2), "odd")
    ]
    assert (found.options, found.money, len(found.story)) == ([], [], 1)


RULED: list[tuple[tuple[Fact, ...], Fact, str]] = [
    ((), s.placed(reorder_of="81"), "R2"),
    (s.VERIFYING, s.paid(amount="1.00"), "R18"),
    (s.AWAITING, s.paid(account_amount="1.00", account_currency="EUR"), "R18a"),
    (s.CANCELLING, s.cancel_declined(), "R22"),
    (s.SHIPPED, s.scanned(), "R4"),
    (s.SHIPPED, s.delivered(), "R18"),
    (s.SHIPPED, s.frozen(), "R19"),
    ((*DISPUTED, s.frozen()), s.unfrozen(), "R24"),
    ((*s.SHIPPED, s.frozen()), s.unfrozen(), "L"),
    (s.SHIPPED, s.dispute_opened(), "L"),
    ((*s.CANCELLING, s.cancel_declined()), s.dispute_opened(), "R22"),
    (s.CONFIRMED, s.dispute_opened(), "R12"),
    (DISPUTED, s.dispute_resolved(), "R15"),
    ((*s.CONFIRMED, s.dispute_opened()), s.dispute_resolved(), "R16"),
    (s.SHIPPED, s.closed(), "R3"),
    (s.AWAITING, s.closed(reason="cancelled", by="buyer"), "R6"),
    (s.SHIPPED, s.closed_by_security(), "R15"),
    ((*s.SHIPPED, s.closed()), s.refunded(), "R17"),
    (BACK, s.refunded(), "R15"),
    (BACK, s.refund_failed(), "R15"),
]


@pytest.mark.parametrize(("before", "fact", "rule"), RULED)
def test_each_event_rests_on_its_rule(before: tuple[Fact, ...], fact: Fact, rule: str) -> None:
    order = s.given(*before, fact).order
    seq = order.history[-1].seq
    told = tell(Case(order, s.POLICY, s.after(60), day, minute))
    assert next(said.rule for said in told if seq in said.seqs) == rule


# Advice.


def test_advice_depends_on_timer_status_and_time() -> None:
    early = advice("protected_until", "shipped", overdue=False)
    assert early.text == "open a dispute before then if you do not have the parcel; confirm only what you hold"
    assert advice("protected_until", "shipped", overdue=True) != early
    assert advice("protected_until", "disputed", overdue=True).type == "noted"
    assert advice("refund_by", "closed", overdue=True, failed=True) != advice("refund_by", "closed", overdue=True)
    assert advice("dispute_until", "closed", overdue=False, left=False).type is None
    assert advice("pay_by", "processing", overdue=True).text == "nothing: the order has gone on without it"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_timer_has_advice_in_every_status(kind: object) -> None:
    for status in words.STATUSES:
        for overdue in (False, True):
            found = advice(getattr(kind, "name"), status, overdue=overdue)  # noqa: B009 - a parameter of pytest
            assert found.type is None or found.type in TYPES


# Warning signs: nothing is normal where the order's own history has one.


ASKED_TOO_LATE = (*s.SHIPPED, s.cancel_requested(at=s.after(2)))
WRONG_NUMBER = "LX123456784CN"
SIGNS: list[tuple[tuple[Fact, ...], float, str, str, tuple[int, ...]]] = [
    (ASKED_TOO_LATE, 3, "You asked to cancel on 2024-03-03, after it was shipped: the parcel goes on.", "R5", (4, 5)),
    (
        (*s.CANCELLING, s.cancel_accepted(), s.shipped(at=s.after(2))),
        3,
        "The seller had agreed to cancel on 2024-03-01, and shipped the parcel on 2024-03-03 all the same.",
        "L",
        (5, 6),
    ),
    (
        (*s.PROCESSING, s.shipped(at=s.after(9))),
        10,
        "The seller shipped on 2024-03-10, 1 day late: it had until 2024-03-08 12:00.",
        "R21",
        (4,),
    ),
    (
        (*s.CANCELLING, s.cancel_declined(tracking=WRONG_NUMBER)),
        3,
        f"The tracking number {WRONG_NUMBER}, named to decline the cancellation, has a wrong check digit.",
        "R22",
        (5,),
    ),
    (
        (*s.PROCESSING, s.shipped(tracking=WRONG_NUMBER)),
        3,
        f"The tracking number {WRONG_NUMBER} has a wrong check digit.",
        "R18",
        (4,),
    ),
    (
        (*s.SHIPPED, s.scanned(checkpoint="returned", at=s.after(2)), s.scanned(at=s.after(1))),
        3,
        "The parcel was last seen on 2024-03-03: on its way back to the seller.",
        "R4",
        (5,),
    ),
    (
        (*s.AWAITING, s.closed(reason="cancelled", by="buyer"), s.paid()),
        3,
        "Money was paid when the order was closed already.",
        "R14",
        (3,),
    ),
]


@pytest.mark.parametrize(("facts", "days", "text", "rule", "seqs"), SIGNS)
def test_a_warning_sign_is_said_instead_of_that_is_normal(
    facts: tuple[Fact, ...], days: float, text: str, rule: str, seqs: tuple[int, ...]
) -> None:
    _, sign, *_ = explained(*facts, days=days).answer
    assert (sign.text, sign.rule, sign.seqs, sign.tone) == (text, rule, seqs, "odd")
    assert "That is normal" not in answer(*facts, days=days)


def test_what_is_late_is_said_before_a_sign() -> None:
    _, first, second = explained(*ASKED_TOO_LATE, days=60).answer
    assert first.text.startswith("Your protection ended on ")
    assert second.text.startswith("You asked to cancel on ")


def test_without_a_sign_it_is_normal() -> None:
    on_its_way = (*s.SHIPPED, s.scanned(checkpoint="held", at=s.after(1)), s.scanned(at=s.after(2)))
    assert "That is normal: you are protected until" in answer(*on_its_way)
    asked_in_time = (*s.CANCELLING, s.shipped())
    assert "That is normal: you are protected until" in answer(*asked_in_time)


def test_a_seller_who_agreed_and_then_declined_did_not_ship_all_the_same() -> None:
    facts = (*s.CANCELLING, s.cancel_accepted(), s.cancel_declined(), s.shipped())
    assert "all the same" not in answer(*facts)


def test_a_request_that_came_after_the_delivery_did_not_stop_the_parcel() -> None:
    assert "after it was shipped: that did not stop the parcel." in answer(*s.DELIVERED, s.cancel_requested())


def test_a_request_to_cancel_what_is_shipped_promises_nothing() -> None:
    for status in ("shipped", "delivered"):
        for overdue in (False, True):
            assert "do not count on a cancellation" in advice("answer_by", status, overdue=overdue).text
        assert "cancelled" not in words.after("answer_by", held=False, base=status)
    assert "cancelled" in words.after("answer_by", held=False, base="cancelling")


@pytest.mark.parametrize("flag", [s.frozen(), s.dispute_opened()], ids=tag_of)
def test_a_seller_who_is_late_to_ship_is_told_beneath_a_flag(flag: Fact) -> None:
    late = "It was to be shipped by 2024-03-08 12:00, and is 1 day late."
    facts = (*s.CANCELLING, s.cancel_declined(), flag)
    assert late in answer(*facts, days=9)
    assert late not in answer(*facts, days=3)
    assert "It was to be shipped" not in answer(*s.SHIPPED, s.frozen(), days=9.5)


def test_a_dispute_and_a_freeze_at_once_are_both_told() -> None:
    both = (*s.SHIPPED, s.frozen(), s.dispute_opened())
    said = answer(*both)
    assert said.startswith("In dispute: ")
    assert "It is frozen at the same time: the platform is reviewing the order; that should end by 2024-03-08" in said
    assert "that should have ended by 2024-03-08" in answer(*both, days=30)
    assert "frozen" not in answer(*both, s.unfrozen())


def test_money_that_came_after_the_closing_can_be_asked_back() -> None:
    back = "ask the platform to send back the 20.00 USD that came after the closing"
    unpaid = (*s.AWAITING, s.closed(reason="cancelled", by="buyer"), s.paid())
    assert back in actions(*unpaid)
    assert "dispute-opened" not in types(*unpaid)
    more = (*s.CONFIRMED, s.paid())
    assert back in actions(*more)
    assert "dispute-opened" in types(*more)
    assert not [action for action in actions(*s.CONFIRMED) if "send back" in action]


def test_a_refund_that_bounced_before_its_day_is_owed_now() -> None:
    bounced = s.given(*BACK, s.refund_failed()).order

    def told(order: Order, days: float) -> str:
        now = s.after(days)
        return " ".join(tell_story(Target("table"), order, [], timers(order, now), now).split())

    assert re.search(r"refund due by [-\d]+ [:\d]+ bounced it is owed to you now", told(bounced, 9))
    assert re.search(r"refund due by [-\d]+ [:\d]+ bounced, \d+ days overdue it is owed", told(bounced, 90))
    assert "bounced" not in told(s.given(*BACK).order, 9)


# Laws.


def _orders(log: list[Recorded]) -> list[list[Recorded]]:
    by_order: dict[str, list[Recorded]] = {}
    for line in log:
        by_order.setdefault(line.event.order_id, []).append(line)
    return list(by_order.values())


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Recorded], Order, datetime]:
    """Draw an order's lines, the order at some instant, and the present, which may be another."""
    lines = draw(st.sampled_from(_orders(draw(histories()))))
    latest = max(line.event.occurred_at for line in lines)
    first = min(line.event.occurred_at for line in lines)
    at = first + draw(st.integers(0, 100)) * (latest - first) / 100
    seen = as_believed(lines, as_of=draw(st.sampled_from([None, at])))
    now = draw(st.sampled_from([at, latest, latest + timedelta(days=3), latest + timedelta(days=50)]))
    return lines, fold(lines[0].event.order_id, seen or lines), now


def _explain(order: Order, now: datetime) -> Explanation:
    return explain(order, s.POLICY, now, day=day, minute=minute)


@for_all(cases())
def test_every_sentence_rests_on_a_rule_and_on_events_that_there_are(
    case: tuple[list[Recorded], Order, datetime],
) -> None:
    _, order, now = case
    found = _explain(order, now)
    in_force = {line.seq for line in order.in_force()}
    taken_back = {line.seq for line in order.history if line.version in order.retracted}
    retractions = {line.seq for line in order.history if isinstance(line.event, Retracted)}
    rests_on = [(said.rule, said.seqs) for said in found.sentences]
    rests_on += [(option.rule, option.seqs) for option in found.options]
    for rule, seqs in rests_on:
        assert rule in RULES
        assert seqs
        assert len(set(seqs)) == len(seqs)
        assert set(seqs) <= (taken_back | retractions if rule == "R23" else in_force)
    told = {seq for said in found.story for seq in said.seqs}
    assert told == in_force | taken_back | retractions


def _in_order(order: Order, fact: Fact, now: datetime) -> bool:
    try:
        return set(decide(order, fact, s.POLICY, now).odd) <= ADVICE
    except Refused:
        return False


@for_all(cases())
def test_an_option_is_never_refused_or_flagged(case: tuple[list[Recorded], Order, datetime]) -> None:
    _, order, now = case
    for option in _explain(order, now).options:
        assert option.until is None or option.until >= now
        if option.fact is not None:
            assert _in_order(order, option.fact, max(now, option.fact.occurred_at)), option


@for_all(cases())
def test_advice_about_a_running_timer_is_an_option_too(case: tuple[list[Recorded], Order, datetime]) -> None:
    _, order, now = case
    now = max(now, order.effective_at or now)
    offered = {option.action for option in _explain(order, now).options}
    for timer in timers(order, now):
        if timer.running:
            failed = timer.timer == "refund_by" and order.refund_failed
            what = advice(
                timer.timer,
                order.status,
                overdue=timer.due_at < now or failed,
                failed=failed,
                left=something_left(order),
            )
            assert what.text in offered or what.text.startswith("nothing: ")


@for_all(cases())
def test_the_amounts_are_those_of_the_fold(case: tuple[list[Recorded], Order, datetime]) -> None:
    _, order, now = case
    told = [said.text for said in _explain(order, now).money]

    def amounts(pattern: str) -> list[str]:
        return [text.partition(" ")[0] for text in told if re.search(pattern, text)]

    def expected(minor: int) -> list[str]:
        return [words.amount(minor, order.currency).partition(" ")[0]] if minor else []

    assert amounts(r" is (still )?in escrow") == expected(order.escrow)
    assert amounts(r" is with the seller") == expected(order.to_seller)
    assert amounts(r" is on its way back| is owed to you") == expected(order.pending)
    assert amounts(r" arrived on your account") == expected(order.refunded)


@for_all(cases())
def test_the_page_has_every_sentence_and_option(case: tuple[list[Recorded], Order, datetime]) -> None:
    _, order, now = case
    found = _explain(order, now)
    text = " ".join(write(Page(Target("table")), order, found, now).split())
    for said in found.sentences:
        assert " ".join(said.text.split()) in text
    for option in found.options:
        assert option.action in text
