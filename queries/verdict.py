"""Whether it is normal that an order stands as it does, or late, worth a look, suspicious."""

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from ledger import events as e
from ledger.money import minor
from ledger.timers import answer
from queries import words
from queries.case import Case, Sentence, protected_before
from queries.standing import beneath, closed_how
from queries.telling import lateness, rule_of


def verdict(case: Case) -> list[Sentence]:
    """Say in a sentence or two whether that is how it should be; where there is a warning sign, it is not."""
    order = case.order
    if order.status == "closed":
        said = [_CLOSED[order.closure_reason or "unknown"](case), *_not_the_seller(case), *_another_way(case)]
        signs = _signs(case) if _is_normal(said) else []
    else:
        said = [sentence for part in _OPEN[order.status] for sentence in part(case)]
        signs = _signs(case) if order.status in _SIGNS_BELONG else []
    if not (signs and _is_normal(said)):
        return [*said, *signs]
    return [*signs, *(_not_normal(sentence) for sentence in said)]


_NORMAL = "That is normal: "
_SIGNS_BELONG = ("processing", "cancelling", "shipped")
"""Statuses that are normal where there is no warning sign."""


def _is_normal(said: list[Sentence]) -> bool:
    """Whether it is said that all is normal."""
    return any(sentence.text.startswith(_NORMAL) for sentence in said)


def _not_normal(said: Sentence) -> Sentence:
    """Take back that it is normal."""
    text = said.text.removeprefix(_NORMAL)
    return said if text == said.text else said._replace(text=text[:1].upper() + text[1:])


def _signs(case: Case) -> list[Sentence]:
    """Say what in the order's history is a warning sign."""
    signs = (_shipped_all_the_same, _asked_too_late, _shipped_late, _wrong_number, _last_seen, _paid_afterwards)
    return [said for sign in signs for said in sign(case)]


def _asked_too_late(case: Case) -> list[Sentence]:
    """Say that the request to cancel came when the parcel had been shipped."""
    asked = case.last(e.CancelRequested)
    before = [(seq, event) for seq, event in case.all(e.Shipped) if asked and event.occurred_at <= asked[1].occurred_at]
    if asked is None or not before or case.order.base not in ("shipped", "delivered"):
        return []
    seqs = tuple(sorted((before[0][0], asked[0])))
    then = "the parcel goes on" if case.order.base == "shipped" else "that did not stop the parcel"
    text = f"You asked to cancel on {case.day(asked[1].occurred_at)}, after it was shipped: {then}."
    return [Sentence(text, "R5", seqs, "odd")]


def _shipped_all_the_same(case: Case) -> list[Sentence]:
    """Say that the seller shipped what it had agreed to cancel."""
    accepted, declined = case.last(e.CancelAccepted), case.seqs(e.CancelDeclined)
    if accepted is None or (declined and declined[-1] > accepted[0]):
        return []
    seq, agreed = accepted
    for shipped_seq, shipped in case.all(e.Shipped):
        if shipped.occurred_at >= agreed.occurred_at:
            text = (
                f"The seller had agreed to cancel on {case.day(agreed.occurred_at)}, and shipped the parcel on "
                f"{case.day(shipped.occurred_at)} all the same."
            )
            return [Sentence(text, "L", tuple(sorted((seq, shipped_seq))), "odd")]
    return []


def _shipped_late(case: Case) -> list[Sentence]:
    """Say that a parcel was shipped later than it had to be."""
    late_by = lateness(case)
    for seq, shipped in case.all(e.Shipped):
        name, due = late_by.get(seq, ("", shipped.occurred_at))
        if name == "ship_by":
            span = words.length(shipped.occurred_at - due)
            on = case.day(shipped.occurred_at)
            text = f"The seller shipped on {on}, {span} late: it had until {case.minute(due)}."
            return [Sentence(text, "R21", (seq,), "odd")]
    return []


def _wrong_number(case: Case) -> list[Sentence]:
    """Say which tracking number, the last one told so, cannot be right."""
    for line in reversed(case.lines):
        number = getattr(line.event, "tracking", None)
        if number and "tracking-check-digit" in line.odd:
            where = ", named to decline the cancellation," if isinstance(line.event, e.CancelDeclined) else ""
            text = f"The tracking number {number}{where} has a wrong check digit."
            return [Sentence(text, rule_of(case, line), (line.seq,), "odd")]
    return []


def _paid_afterwards(case: Case) -> list[Sentence]:
    """Say that money came when the order was closed already."""
    seqs = case.paid_after_closing
    if not seqs or case.order.escrow <= 0:
        return []
    return [Sentence("Money was paid when the order was closed already.", "R14", seqs, "odd")]


class Waiting(NamedTuple):
    """The timer that an open order waits for, what is said before and after it runs out, and by which rule."""

    timer: str
    before: str
    after: str
    rule: str


_PROTECTION_OVER = "Your protection ended on {}: the seller can be paid at any moment."
_WAITING = {
    "awaiting-payment": Waiting(
        "pay_by", "That is normal: you have until {} to pay.", "The time to pay ended on {}.", "R15"
    ),
    "verifying-payment": Waiting(
        "verify_by",
        "That is normal, and usually done by {}.",
        "That takes longer than usual: it was due by {}.",
        "L",
    ),
    "processing": Waiting(
        "ship_by",
        "That is normal: the seller has until {} to ship.",
        "The seller is late: it had to ship by {}.",
        "R15",
    ),
    "cancelling": Waiting(
        "answer_by",
        "That is normal: without an answer by {} it is cancelled, and your money comes back.",
        "The seller had to answer by {}: without an answer it is cancelled, and your money comes back.",
        "R15",
    ),
    "shipped": Waiting(
        "protected_until",
        "That is normal: you are protected until {}, and the seller is paid then, or when you confirm.",
        _PROTECTION_OVER,
        "R15",
    ),
    "delivered": Waiting(
        "protected_until",
        "If you do not have the parcel, open a dispute before {}: then your protection ends and the seller is paid.",
        _PROTECTION_OVER,
        "R15",
    ),
    "frozen": Waiting(
        "review_by",
        "The review should end by {}: then the freeze is lifted, or the order is closed and you are refunded.",
        "The review is late: it should have ended by {}.",
        "R19",
    ),
}
"""What an open order waits for, by status."""


def _waiting(case: Case) -> list[Sentence]:
    waiting = _WAITING.get(case.order.status)
    due = case.running(waiting.timer) if waiting else None
    if waiting is None or due is None:
        return []
    late = due.due_at < case.now
    when = case.minute(due.due_at)
    ago = f"{when}, {words.length(case.now - due.due_at)} ago"
    text = waiting.after.format(ago) if late else waiting.before.format(when)
    return [Sentence(text, waiting.rule, case.set_by(waiting.timer), "late" if late else "")]


def _underpaid(case: Case) -> list[Sentence]:
    order = case.order
    if order.paid >= order.amount:
        return []
    text = f"You have paid {case.amount(order.paid)} of {case.amount(order.amount)}."
    return [Sentence(text, "R18", case.seqs(e.Placed, e.Paid), "odd")]


def _declined(case: Case) -> list[Sentence]:
    text = "The seller declined to cancel, so that you may open a dispute before anything is shipped."
    return [Sentence(text, "R22", case.seqs(e.CancelDeclined), "odd")] if case.order.cancel_declined else []


def _agreed(case: Case) -> list[Sentence]:
    if not case.agreed_in:
        return []
    return [Sentence("That is normal: your money comes back then.", "R15", case.agreed_in)]


def _last_seen(case: Case) -> list[Sentence]:
    """Say where the parcel was seen last, if it does not get on."""
    scans = case.all(e.Scanned)
    seq, scan = max(scans, key=lambda found: (found[1].occurred_at, found[0])) if scans else (0, None)
    if scan is None or scan.checkpoint not in _STUCK:
        return []
    where = words.CHOICES[scan.checkpoint] + (f", {scan.place}" if scan.place else "")
    text = f"The parcel was last seen on {case.day(scan.occurred_at)}: {where}."
    return [Sentence(text, "R4", (seq,), "odd")]


_STUCK = ("attempted", "held", "returned")


def _cut(case: Case) -> list[Sentence]:
    """Say that a delivery scan made the protection shorter."""
    before, until = protected_before(case.order), case.order.protected_until
    for seq, scan in reversed(case.all(e.DeliveryScan)):
        was = before.get(seq)
        if until is not None and was is not None and scan.protected_until == until < was:
            scanned = case.day(scan.occurred_at)
            write = case.day if case.day(was) != case.day(until) else case.minute
            if write(was) == write(until):
                continue  # by less than can be seen
            text = f"The delivery scan of {scanned} cut your protection from {write(was)} to {write(until)}."
            return [Sentence(text, "R18", (seq,), "odd")]
    return []


def _held(case: Case) -> list[Sentence]:
    """Say that the protection does not run out meanwhile, and how the order stands beneath the flag."""
    order = case.order
    said = []
    if order.base == "closed":
        text = f"It stays closed ({closed_how(order)}): the dispute only decides where the money goes."
        said.append(Sentence(text, "R2", case.closing_seqs))
    else:
        said.append(Sentence(f"Apart from that {beneath(order)}.", "L", case.based_on))
        said += [*_to_be_shipped(case), *_shipped_all_the_same(case), *_asked_too_late(case)]
    if protected := case.running("protected_until"):
        ends = case.minute(protected.due_at)
        text = f"While that lasts, the end of your protection on {ends} does not close the order."
        said.append(Sentence(text, "R19", case.set_by("protected_until")))
    if order.disputed and order.base != "closed":
        text = "Do not confirm meanwhile: that ends the dispute and pays the seller."
        said.append(Sentence(text, "R15", case.seqs(e.DisputeOpened)[-1:], "odd"))
    return said


def _to_be_shipped(case: Case) -> list[Sentence]:
    """Say beneath a dispute or freeze that the seller is late to ship."""
    due = case.running("ship_by")
    if due is None or due.due_at >= case.now or case.order.base != "processing":
        return []
    text = f"It was to be shipped by {case.minute(due.due_at)}, and is {words.length(case.now - due.due_at)} late."
    return [Sentence(text, "R15", case.set_by("ship_by"), "late")]


def _frozen_too(case: Case) -> list[Sentence]:
    """Say of a disputed order that it is frozen at the same time, and until when."""
    if not case.order.frozen:
        return []
    text, frozen = "It is frozen at the same time: the platform is reviewing the order", case.seqs(e.Frozen)[-1:]
    review = case.running("review_by")
    if review is None:
        return [Sentence(f"{text}.", "R19", frozen, "odd")]
    late = review.due_at < case.now
    ends = f"should {'have ended' if late else 'end'} by {case.minute(review.due_at)}"
    seqs = tuple(sorted({*frozen, *case.set_by("review_by")}))
    return [Sentence(f"{text}; that {ends}.", "R19", seqs, "late" if late else "odd")]


_OPEN: dict[str, tuple[Callable[[Case], list[Sentence]], ...]] = {
    "awaiting-payment": (_waiting,),
    "verifying-payment": (_waiting, _underpaid),
    "processing": (_waiting, _declined),
    "cancelling": (_waiting, _agreed),
    "shipped": (_waiting,),
    "delivered": (_shipped_all_the_same, _asked_too_late, _cut, _waiting),
    "disputed": (_frozen_too, _held),
    "frozen": (_waiting, _held),
}
"""What there is to say of an open order, by status."""


# Why a closed order was closed.


def _by(case: Case, text: str, rule: str, *kinds: type[e.Event], tone: str = "") -> Sentence:
    """Make a sentence that rests on the closing, and on the last event of each of the types."""
    found = [case.last(kind) for kind in kinds]
    return Sentence(text, rule, tuple(sorted({*case.closing_seqs, *(event[0] for event in found if event)})), tone)


def _early(case: Case, due: datetime | None) -> bool:
    """Whether the closing came before its timer had run out (R16)."""
    return due is not None and case.order.closed_at is not None and case.order.closed_at < due


def _confirmed(case: Case) -> Sentence:
    scans = case.all(e.DeliveryScan)
    if not scans:
        text = "No delivery scan is recorded: if you did not hold the parcel yet, you confirmed too early."
        return _by(case, text, "R5", tone="odd")
    first = min(scan.occurred_at for _, scan in scans)
    if case.order.closed_at is not None and first > case.order.closed_at:
        text = f"The parcel was scanned as delivered only afterwards, on {case.day(first)}."
        return _by(case, text, "R5", e.DeliveryScan, tone="odd")
    return _by(case, "That is the usual end: your word that the parcel arrived pays the seller.", "R15", e.DeliveryScan)


def _expired(case: Case) -> Sentence:
    until = case.order.protected_until
    if until is not None and _early(case, until):
        text = (
            f"Your protection was to last until {case.minute(until)}, but the order was closed before that: "
            "ask the platform why."
        )
        return Sentence(text, "R16", (*case.set_by("protected_until"), *case.closing_seqs), "odd")
    if cut := _cut(case):
        text = f"{cut[0].text} No dispute was open then; whoever does not get the parcel has to open one before."
        return Sentence(text, "R18", (*cut[0].seqs, *case.closing_seqs), "odd")
    usual = "That is the rule when protection ends without a confirmation or a running dispute"
    if case.order.delivered:
        return _by(case, f"{usual}.", "R15", e.DeliveryScan)
    return _by(case, f"{usual}; but no delivery scan is recorded.", "R15", tone="odd")


def _timeout(case: Case) -> Sentence:
    if case.order.paid:
        return _by(case, "Yet a payment is recorded: ask the platform why.", "R15", e.Paid, tone="odd")
    return _in_time(case, case.order.pay_by, "you had until {} to pay")


def _not_shipped(case: Case) -> Sentence:
    due, shipped = case.order.ship_by, case.all(e.Shipped)
    if not shipped or case.closing is None:
        return _in_time(case, due, "the seller had until {} to ship")
    seq, first = min(shipped, key=lambda found: found[1].occurred_at)
    had = f"; the seller had until {case.minute(due)}" if due else ""
    on, seqs = case.day(first.occurred_at), tuple(sorted((seq, case.closing.seq)))
    if first.occurred_at > case.closing.event.occurred_at:
        return Sentence(f"The parcel was shipped only afterwards, on {on}{had}.", "R15", seqs, "odd")
    late = ", too late" if due and first.occurred_at > due else ""
    return Sentence(f"Yet the parcel was shipped on {on}{late}{had}: ask the platform why.", "R15", seqs, "odd")


def _in_time(case: Case, due: datetime | None, had: str) -> Sentence:
    """Say whether the closing came when its time was up."""
    if due is None:
        return _by(case, "That is one of the reasons for which the platform closes an order.", "R15")
    time = had.format(case.minute(due))
    if _early(case, due):
        return _by(case, f"It came early: {time}.", "R16", tone="odd")
    return _by(case, f"That is normal: {time}, and did not.", "R15")


def _cancelled(case: Case) -> Sentence:
    asked = case.last(e.CancelRequested)
    if case.order.closed_by == "buyer":
        return _by(case, "That is normal: while nothing is paid you can cancel alone.", "R6")
    if asked is None:
        return _by(case, "Nobody is recorded to have asked for that: ask the platform why.", "R5", tone="odd")
    you_asked = f"you asked for it on {case.day(asked[1].occurred_at)}, and"
    answered = answer(case.order)
    if answered is not None:
        seqs = tuple(sorted((asked[0], answered.seq, *case.closing_seqs)))
        if isinstance(answered.event, e.CancelAccepted):
            return Sentence(f"That is normal: {you_asked} the seller agreed.", "R15", seqs)
        did = "shipped the parcel" if isinstance(answered.event, e.Shipped) else "declined"
        return Sentence(f"It was cancelled all the same: {you_asked} the seller {did}.", "R15", seqs, "odd")
    if _early(case, case.order.answer_by):
        return _by(case, f"It came early: {you_asked} the seller could still answer.", "R16", e.CancelRequested)
    return _by(case, f"That is normal: {you_asked} the seller did not answer.", "R15", e.CancelRequested)


def _out_of_stock(case: Case) -> Sentence:
    return _by(case, "That happens: the seller had nothing to send.", "R15")


def _security(case: Case) -> Sentence:
    order = case.order
    text = "That is done where fraud is suspected"
    if not order.paid:
        return _by(case, f"{text}; you had paid nothing.", "R15")
    back = "the money goes back by itself, to the account it was debited from"
    if not order.pending:
        return _by(case, f"{text}: {back}.", "R15")
    if case.refund_late:
        return _by(case, f"{text}: as a rule {back}; here it did not.", "R15", tone="late")
    return _by(case, f"{text}. You need to do nothing: {back}.", "R15")


def _administration(case: Case) -> Sentence:
    said = f": “{case.closing.event.note}”" if case.closing and case.closing.event.note else ""
    return _by(case, f"That can happen: the platform may close an order on its own{said}.", "R15")


def _resolved(case: Case) -> Sentence:
    event = case.closing.event if case.closing else None
    assert isinstance(event, e.DisputeResolved)
    back = minor(event.to_seller or "0")
    if back < 0:
        text = f"The seller had been paid already, so {case.amount(-back)} was taken back from the seller."
        return _by(case, text, "R16", e.DisputeOpened)
    return _by(case, _OUTCOMES[event.outcome], "R15", e.DisputeOpened)


_OUTCOMES = {
    "buyer-won": "A dispute is the platform's to decide, and it decided for you.",
    "partial": "A dispute is the platform's to decide, and it may divide the money.",
    "seller-won": "A dispute is the platform's to decide, and it decided for the seller.",
}


def _unknown(case: Case) -> Sentence:
    return _by(case, "That is suspicious: every closing has a cause, and nobody has told this one.", "R3", tone="odd")


_CLOSED: dict[str, Callable[[Case], Sentence]] = {
    "confirmed": _confirmed,
    "protection-expired": _expired,
    "payment-timeout": _timeout,
    "not-shipped": _not_shipped,
    "cancelled": _cancelled,
    "out-of-stock": _out_of_stock,
    "dispute-resolved": _resolved,
    "security": _security,
    "administration": _administration,
    "unknown": _unknown,
}
"""What there is to say of a closed order, by closure reason."""


def _not_the_seller(case: Case) -> list[Sentence]:
    """Say of a closing without a cause who cannot have done it."""
    if case.order.closure_reason != "unknown":
        return []
    return [_by(case, "The seller cannot have closed it: only you and the platform can.", "R1")]


def _another_way(case: Case) -> list[Sentence]:
    """Say that a closing sent money elsewhere than closings of its kind do (R15a)."""
    event = case.closing.event if case.closing else None
    if not isinstance(event, e.Closed) or event.reason == "unknown":
        return []
    usual, other = ("seller", event.to_buyer) if event.reason == "protection-expired" else ("buyer", event.to_seller)
    if not other:
        return []
    text = f"Usually all that is held goes to {'the seller' if usual == 'seller' else 'you'} then; here it did not."
    return [_by(case, text, "R15a", tone="odd")]
