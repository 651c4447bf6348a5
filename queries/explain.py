"""Why an order stands as it does, in words for its buyer: the answer, its money, what can be done, what happened."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from ledger import events as e
from ledger.money import minor
from ledger.order import Order
from ledger.policy import Policy
from ledger.rules import RULES
from ledger.timers import BY_NAME, settings
from queries import words
from queries.case import Case, Option, Sentence
from queries.options import options
from queries.standing import closed_how, refund_due, status_in_words, tone, whereabouts
from queries.telling import rule_of, tell
from queries.verdict import verdict


class Explanation(NamedTuple):
    """An order explained, most needed first; `over` is what can be done no more, `story` tells the oldest first."""

    answer: list[Sentence]
    money: list[Sentence]
    options: list[Option]
    over: list[Sentence]
    story: list[Sentence]

    @property
    def sentences(self) -> list[Sentence]:
        """Every sentence but the options."""
        return [*self.answer, *self.money, *self.over, *self.story]

    @property
    def rules(self) -> list[str]:
        """The rules that it rests on."""
        cited = {said.rule for said in self.sentences} | {option.rule for option in self.options}
        return [rule for rule in RULES if rule in cited]


def explain(order: Order, policy: Policy, now: datetime, *, day: words.Day, minute: words.Day) -> Explanation:
    """Explain an order at an instant; `day` and `minute` write instants."""
    case = Case(order, policy, now, day, minute)
    if not order.known:
        return _unknown(case)
    offered = options(case)
    return Explanation([_standing(case), *verdict(case)], _money(case), offered, _over(case, offered), tell(case))


def _unknown(case: Case) -> Explanation:
    """Explain an order whose every event was taken back."""
    taken_back = tuple(line.seq for line in case.order.history)
    text = "Nobody has placed this order: whatever was recorded of it was taken back."
    return Explanation([Sentence(text, "R23", taken_back, "odd")], [], [], [], tell(case))


def _standing(case: Case) -> Sentence:
    """Say how the order stands, or who closed it, when and why; and where its money is."""
    order, closing = case.order, case.closing
    if order.status == "closed" and closing is not None:
        said = f"Closed on {case.day(closing.event.occurred_at)}: {closed_how(order)}{_reason(closing.event)}"
        rule = rule_of(case, closing)
        seqs = (closing.seq, *(seq for seq in case.seqs(e.Refunded, e.RefundFailed) if seq > closing.seq))
    else:
        said = _capital(status_in_words(order))
        rule, seqs = "L", tuple(sorted({*case.seqs(e.Paid), _since(case), *case.agreed_in}))
    where = "; ".join([said, *whereabouts(order, case.now, case.day)])
    return Sentence(f"{where}.", rule, seqs, tone(order, case.now))


def _reason(closing: e.Event) -> str:
    """Repeat the platform's own words for a closing by security."""
    return f" ({closing.reason})" if isinstance(closing, e.ClosedBySecurity) and closing.reason else ""


def _since(case: Case) -> int:
    """Return the seq of the event that brought the status shown."""
    seq, status = case.lines[0].seq, ""
    for line in case.lines:
        if line.status != status:
            seq, status = line.seq, line.status
    return seq


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _money(case: Case) -> list[Sentence]:
    """Say where each part of the money is."""
    order = case.order
    if not order.paid and not order.to_buyer:
        return [Sentence("Nothing was paid.", "R14", case.seqs(e.Placed))]
    return [*_held(case), *_with_seller(case), *_coming(case), *_arrived(case), *_at_the_bank(case)]


def _held(case: Case) -> Iterator[Sentence]:
    order = case.order
    if not order.escrow:
        return
    held, seqs = case.amount(order.escrow), tuple(sorted({*case.seqs(e.Paid), *case.closing_seqs}))
    if order.status != "closed":
        text = f"{held} is in escrow: the marketplace holds it, neither you nor the seller has it."
        yield Sentence(text, "R14", case.seqs(e.Paid), "escrow")
    elif order.closure_reason == "unknown":
        text = f"{held} is still in escrow, until a refund or a dispute moves it."
        yield Sentence(text, "R3", seqs, "odd")
    else:
        text = f"{held} is in escrow: it came when the order was closed already, ask the platform to send it back."
        yield Sentence(text, "R14", seqs, "odd")


def _with_seller(case: Case) -> Iterator[Sentence]:
    order, moved = case.order, case.moved("to_seller")
    if order.to_seller:
        yield Sentence(f"{case.amount(order.to_seller)} is with the seller.", "R15", tuple(moved), "seller")
    taken = {seq: amount for seq, amount in moved.items() if amount < 0}
    if taken:
        text = f"{case.amount(-sum(taken.values()))} was taken back from the seller."
        yield Sentence(text, "R16", tuple(taken), "buyer")


def _coming(case: Case) -> Iterator[Sentence]:
    """Say what is on its way back: by when, how late, whether it bounced."""
    order = case.order
    if order.pending <= 0:
        return
    pending, seqs, due = case.amount(order.pending), tuple(case.moved("to_buyer")), refund_due(order)
    late = due is not None and due < case.now
    should = "" if due is None else f"it should have arrived by {case.minute(due)}, {words.length(case.now - due)} ago"
    bounced = case.last(e.RefundFailed)
    if order.refund_failed and bounced is not None:
        seq, failure = bounced
        why = f" ({failure.reason})" if failure.reason else ""
        said = f"{pending} is owed to you: the refund bounced on {case.day(failure.occurred_at)}{why}"
        yield Sentence(f"{said}; {should}." if late else f"{said}.", "R15", (*seqs, seq), "late")
    elif due is None:
        yield Sentence(f"{pending} is on its way back to you; by when, nobody has said.", "R15", seqs, "buyer")
    elif late:
        yield Sentence(f"{pending} is on its way back to you, and late: {should}.", "R15", seqs, "late")
    else:
        text = f"{pending} is on its way back to you, and should arrive by {case.minute(due)}."
        yield Sentence(text, "R15", seqs, "buyer")


def _arrived(case: Case) -> Iterator[Sentence]:
    order, refunds = case.order, case.all(e.Refunded)
    if not refunds:
        return
    days = list(dict.fromkeys(case.day(refund.occurred_at) for _, refund in refunds))
    text = f"{case.amount(order.refunded)} arrived on your account on {' and '.join(days)}"
    last, due = refunds[-1][1].occurred_at, refund_due(order)
    if due is not None and last > due:
        text += f", {words.length(last - due)} late"
    undecided = sum(minor(refund.to_buyer) for _, refund in refunds if refund.to_buyer)
    if undecided:
        it = "it" if undecided == order.refunded else f"{case.amount(undecided)} of it"
        yield Sentence(f"{text}; nobody had decided {it}.", "R17", case.seqs(e.Refunded), "odd")
    else:
        yield Sentence(f"{text}.", "R15", case.seqs(e.Refunded), "buyer")


def _at_the_bank(case: Case) -> Iterator[Sentence]:
    """Say what the bank showed in its own currency."""
    moved = [(line.seq, line.event) for line in case.lines if isinstance(line.event, e.Paid | e.Refunded)]
    shown = {
        seq: f"{event.account_amount} {event.account_currency} {'go out' if isinstance(event, e.Paid) else 'come in'}"
        for seq, event in moved
        if event.account_amount
    }
    if shown:
        amounts = " and ".join(shown.values())
        text = f"Your bank showed {amounts}, at its own rate; what counts here is {case.order.currency}."
        yield Sentence(text, "R18a", tuple(shown))


def _over(case: Case, offered: list[Option]) -> list[Sentence]:
    """Say what can be done no more, and when nothing can."""
    order = case.order
    said = []
    if order.status == "closed" and order.to_seller > 0 and order.closure_reason != "unknown":
        if order.dispute_until is None:
            text = "The marketplace takes no dispute any more: this closing opened no window for one."
            said.append(Sentence(text, "R12", case.closing_seqs))
        elif order.dispute_until < case.now:
            text = f"A dispute was possible until {case.minute(order.dispute_until)}; that is over."
            said.append(Sentence(text, "R12", case.closing_seqs))
    running = any(timer.running for timer in case.timers)
    to_do = running or any(option.fact for option in offered)
    if order.status == "closed" and not (to_do or order.pending or order.escrow):
        text = f"{_no_window(case)}, and no money is on its way or held."
        said.append(Sentence(text, "R2", case.closing_seqs))
    return said


def _no_window(case: Case) -> str:
    """Say that no window is open: that all have passed only if there were any, and they have."""
    ends = [found.due_at for name in _WINDOWS for found in settings(BY_NAME[name], case.lines)]
    passed = bool(ends) and max(ends) < case.now
    return "Nothing is open any more: every window has passed" if passed else "No window is open"


_WINDOWS = ("dispute_until", "feedback_until")
