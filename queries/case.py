"""An order that is to be explained, and what an explanation is made of."""

from datetime import datetime
from typing import NamedTuple, TypeVar

from ledger.events import Event, Fact, Paid, Recorded
from ledger.money import minor
from ledger.order import Order, row_of
from ledger.policy import Policy
from ledger.timers import Timer, answer, timers
from queries import words
from queries.standing import agreed, refund_late
from queries.words import Day

AnEvent = TypeVar("AnEvent", bound=Event)
Seqs = tuple[int, ...]


class Sentence(NamedTuple):
    """Something that is so: in words, by which rule (ledger/rules.py), and the seqs of the events it rests on.

    `tone` says whom the money is with (`buyer`, `seller`, `split`, `escrow`, `nobody`), or `late` for what is late or
    lost, `unknown` for a closing without a known cause, `odd` for what is worth a look, `gone` for what was taken back.
    `at` is the day of what happened, as it is written; empty where the sentence tells of no event of its own.
    """

    text: str
    rule: str
    seqs: Seqs
    tone: str = ""
    at: str = ""

    @property
    def whole(self) -> str:
        """The sentence after its day, if it has one."""
        return f"{self.at}: {self.text}" if self.at else self.text


class Option(NamedTuple):
    """Something that can still be done, until when (None: no end is known), and the fact it would become, if any.

    `urgent` is what should not wait: its time has passed.
    """

    action: str
    until: datetime | None
    rule: str
    seqs: Seqs
    urgent: bool = False
    fact: Fact | None = None


class Case:
    """An order at an instant: its lines in force and its timers, and how its amounts and times are written."""

    def __init__(self, order: Order, policy: Policy, now: datetime, day: Day, minute: Day) -> None:
        self.order = order
        self.policy = policy
        self.now = now
        self.day = day
        self.minute = minute
        self.lines = order.in_force()
        self.timers = timers(order, now)

    def amount(self, minor: int) -> str:
        """Write an amount in the order's currency."""
        return words.amount(minor, self.order.currency)

    def all(self, kind: type[AnEvent]) -> list[tuple[int, AnEvent]]:
        """Return the events of a type, each with its seq."""
        return [(line.seq, line.event) for line in self.lines if isinstance(line.event, kind)]

    def last(self, kind: type[AnEvent]) -> tuple[int, AnEvent] | None:
        """Return the last event of a type, with its seq."""
        return next(reversed(self.all(kind)), None)

    def seqs(self, *kinds: type[Event]) -> Seqs:
        """Return the seqs of these types of events."""
        return tuple(line.seq for line in self.lines if isinstance(line.event, kinds))

    @property
    def closing(self) -> Recorded | None:
        """The last closing."""
        return next((line for line in reversed(self.lines) if type(line.event).closing), None)

    @property
    def closing_seqs(self) -> Seqs:
        """The seq of the last closing, if there is one."""
        return () if self.closing is None else (self.closing.seq,)

    @property
    def paid_after_closing(self) -> Seqs:
        """The seqs of payments recorded after the last closing."""
        closing = self.closing
        return () if closing is None else tuple(seq for seq in self.seqs(Paid) if seq > closing.seq)

    @property
    def refund_late(self) -> bool:
        """Whether a refund on its way bounced or is overdue."""
        return refund_late(self.order, self.now)

    @property
    def based_on(self) -> Seqs:
        """The seq of the event that brought the base status, the one beneath a dispute or freeze."""
        seq, base = self.lines[0].seq, "none"
        for line in self.lines:
            verdict, then = row_of(line.event)[base]
            if verdict != "no" and then != base:
                seq, base = line.seq, then
        return (seq,)

    @property
    def agreed_in(self) -> Seqs:
        """The seq of the seller's consent to the last request to cancel, while the order waits for its closing."""
        found = answer(self.order) if self.order.status == "cancelling" and agreed(self.order) else None
        return () if found is None else (found.seq,)

    def moved(self, field: str) -> dict[int, int]:
        """Tell by seq how much events moved to one side: `to_buyer` or `to_seller`."""
        amounts = {line.seq: getattr(line.event, field, None) for line in self.lines}
        return {seq: minor(amount) for seq, amount in amounts.items() if amount is not None}

    def running(self, name: str) -> Timer | None:
        """Return a timer that runs."""
        return next((timer for timer in self.timers if timer.timer == name and timer.running), None)

    def set_by(self, name: str) -> Seqs:
        """Return the seq of the event that set a timer last."""
        return next(((line.seq,) for line in reversed(self.lines) if getattr(line.event, name, None)), ())


def protected_before(order: Order) -> dict[int, datetime]:
    """Tell by seq when the buyer's protection was to end before an event that set its end."""
    until: datetime | None = None
    before: dict[int, datetime] = {}
    for line in order.in_force():
        if ends := getattr(line.event, "protected_until", None):
            if until is not None:
                before[line.seq] = until
            until = ends
    return before
