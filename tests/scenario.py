"""Given these facts, when this one comes, then that: the decider's tests in the words of the trade.

Builders make facts of one order of 20.00 USD. A fact without a time happens one hour after the latest so far.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from msgspec.structs import replace

from ledger.decide import Decision, decide
from ledger.errors import Refused
from ledger.events import TYPES, Fact, Recorded
from ledger.order import Order, fold
from ledger.policy import Policy, load

ORDER = "8123456789012345"
START = datetime(2024, 3, 1, 10, 0, tzinfo=UTC)  # a Friday
NOW = datetime(2034, 1, 1, tzinfo=UTC)
POLICY = load("aliexpress", None)
MONEY = ("amount", "paid", "escrow", "to_seller", "to_buyer", "refunded", "pending")
STANDING = ("base", "status", "disputed", "frozen", "known", "seller", "currency", "title")
CLOSURE = ("closure_reason", "closed_by", "closed_at")
DUE_WHILE_OPEN = ("pay_by", "verify_by", "ship_by", "answer_by", "protected_until", "review_by")
DUE_AFTER_CLOSING = ("refund_by", "dispute_until", "feedback_until")
_SOON = datetime(1, 1, 1, tzinfo=UTC)  # stands for: one hour after the latest event so far


def after(days: float = 0, **units: float) -> datetime:
    """Return the instant so long after the first order was placed."""
    return START + timedelta(days=days, **units)


def state(order: Order) -> dict[str, object]:
    """Return everything that can be said about where an order stands, but for how many lines it took."""
    names = (*STANDING, *MONEY, *CLOSURE, *DUE_WHILE_OPEN, *DUE_AFTER_CLOSING)
    return {name: getattr(order, name) for name in names}


def _builder(tag: str, **usual: Any) -> Callable[..., Fact]:
    make: Any = TYPES[tag]

    def build(*, at: datetime = _SOON, by: str | None = None, **fields: Any) -> Fact:
        fact: Fact = make(**{"order_id": ORDER, "occurred_at": at, "actor": by} | usual | fields)
        return fact

    return build


placed = _builder("placed", seller="shop-1", amount="20.00", currency="USD")
paid = _builder("paid", amount="20.00")
verified = _builder("verified")
processing_extended = _builder("processing-extended", days=3)
cancel_requested = _builder("cancel-requested")
cancel_accepted = _builder("cancel-accepted")
cancel_declined = _builder("cancel-declined")
shipped = _builder("shipped")
scanned = _builder("scanned", checkpoint="export")
delivered = _builder("delivered-scan")
protection_extended = _builder("protection-extended", days=10)
confirmed = _builder("confirmed")
dispute_opened = _builder("dispute-opened", reason="not-received")
dispute_withdrawn = _builder("dispute-withdrawn")
dispute_resolved = _builder("dispute-resolved", outcome="buyer-won")
frozen = _builder("frozen")
unfrozen = _builder("unfrozen")
closed_by_security = _builder("closed-by-security")
closed = _builder("closed")
refunded = _builder("refunded", amount="20.00")
refund_failed = _builder("refund-failed")
feedback_left = _builder("feedback-left", rating="positive")
noted = _builder("noted", text="asked the seller")
retracted = _builder("retracted", why="a typing mistake")

AWAITING = (placed(),)
VERIFYING = (*AWAITING, paid())
PROCESSING = (*VERIFYING, verified())
CANCELLING = (*PROCESSING, cancel_requested())
SHIPPED = (*PROCESSING, shipped())
DELIVERED = (*SHIPPED, delivered())
CONFIRMED = (*DELIVERED, confirmed())


def line_of(decision: Decision, *, seq: int, version: int, recorded_at: datetime) -> Recorded:
    """Return the line the store would write for this decision."""
    effective_at = decision.effective_at if decision.effective_at != decision.event.occurred_at else None
    return Recorded(
        seq=seq,
        version=version,
        recorded_at=recorded_at,
        status=decision.status,
        odd=tuple(decision.odd),
        effective_at=effective_at,
        event=decision.event,
    )


class Scenario:
    """An order's history so far, and what the decider answers to the next fact."""

    def __init__(self, history: list[Recorded], policy: Policy, answer: Decision | Recorded | Refused | None) -> None:
        self.history = history
        self.policy = policy
        self.answer = answer

    @property
    def order(self) -> Order:
        """The order after everything that was accepted."""
        return fold(ORDER, self.history)

    @property
    def event(self) -> Fact:
        """The event that the last fact became."""
        assert isinstance(self.answer, Decision), self.answer
        return self.answer.event

    def when(self, fact: Fact, *, now: datetime = NOW) -> "Scenario":
        """Decide the fact; an accepted one joins the history."""
        if fact.occurred_at == _SOON:
            latest = max((line.event.occurred_at for line in self.history), default=START - timedelta(hours=1))
            fact = replace(fact, occurred_at=latest + timedelta(hours=1))
        try:
            answer: Decision | Recorded | Refused = decide(self.order, fact, self.policy, now)
        except Refused as refusal:
            answer = refusal
        if not isinstance(answer, Decision):
            return Scenario(self.history, self.policy, answer)
        number = len(self.history) + 1
        recorded_at = max(now, self.history[-1].recorded_at) if self.history else now
        line = line_of(answer, seq=number, version=number, recorded_at=recorded_at)
        return Scenario([*self.history, line], self.policy, answer)

    def then(self, status: str | None = None, odd: tuple[str, ...] = (), **fields: Any) -> Self:
        """Check that it was accepted with exactly these flags, and the given fields of the event."""
        assert isinstance(self.answer, Decision), self.answer
        assert sorted(self.answer.odd) == sorted(odd)
        assert status is None or self.answer.status == status
        found = {name: getattr(self.answer.event, name) for name in fields}
        assert found == fields
        return self

    def leaves(self, **state: Any) -> Self:
        """Check the order's state after it; money is given as text in a currency of two decimals."""
        wanted = {name: int(value.replace(".", "")) if name in MONEY else value for name, value in state.items()}
        assert {name: getattr(self.order, name) for name in state} == wanted
        return self

    def refused(self, *rules: str) -> Self:
        """Check that it was refused by one of the rules."""
        assert isinstance(self.answer, Refused), self.answer
        assert self.answer.rule in rules, f"{self.answer.rule}: {self.answer}"
        return self

    def duplicate(self, version: int) -> Self:
        """Check that the answer is the line which has this fact already."""
        assert isinstance(self.answer, Recorded), self.answer
        assert self.answer.version == version
        return self


def given(*facts: Fact, policy: Policy = POLICY) -> Scenario:
    """Return the scenario in which these facts were accepted one after the other."""
    scenario = Scenario([], policy, None)
    for fact in facts:
        scenario = scenario.when(fact)
        assert isinstance(scenario.answer, Decision), (fact, scenario.answer)
    return scenario
