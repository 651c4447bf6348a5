"""A log read anew at one moment: raw JSON lines, by order. Amounts are Decimal, instants UTC without a zone."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

Row = tuple[Any, ...]
Key = TypeVar("Key")
Value = TypeVar("Value")
Rankable = TypeVar("Rankable", Decimal, timedelta)

CLOSINGS = {"confirmed": "confirmed", "closed-by-security": "security", "dispute-resolved": "dispute-resolved"}
"""The closing events that have one reason of their own; `closed` says it itself."""
WINDOWS = ("refund_by", "dispute_until", "feedback_until")
"""What only the last closing sets."""


def instant(text: str | None) -> datetime | None:
    """Return an instant of the log as the relations show it."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None)


def _certain(text: str) -> datetime:
    found = instant(text)
    assert found is not None
    return found


class Line:
    """One line of the log."""

    def __init__(self, text: bytes) -> None:
        raw = json.loads(text)
        self.event: dict[str, Any] = raw["event"]
        self.seq: int = raw["seq"]
        self.version: int = raw["version"]
        self.status: str = raw["status"]
        self.odd: list[str] = raw.get("odd", [])
        self.order_id: str = self.event["order_id"]
        self.type: str = self.event["type"]
        self.occurred_at = _certain(self.event["occurred_at"])
        self.recorded_at = _certain(raw["recorded_at"])
        self.effective_at = instant(raw.get("effective_at")) or self.occurred_at

    def get(self, name: str) -> Any:
        """Return a field of the event, None where it is not given."""
        return self.event.get(name)

    def when(self, name: str) -> datetime | None:
        """Return a field that is an instant."""
        return instant(self.event.get(name))

    def money(self, name: str) -> Decimal:
        """Return an amount, zero where it is not given."""
        return Decimal(self.event.get(name) or 0)

    @property
    def closing(self) -> bool:
        """Whether the event closes the order."""
        return self.type == "closed" or self.type in CLOSINGS

    @property
    def reason(self) -> str:
        """The closure reason of a closing event."""
        return CLOSINGS.get(self.type) or self.event.get("reason") or "unknown"


class Order:
    """An order as its live events leave it; there is at least one, and they come in version order."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        placed = lines[0]
        assert placed.type == "placed"
        self.order_id = placed.order_id
        self.seller: str = placed.get("seller")
        self.title: str | None = placed.get("title")
        self.currency: str = placed.get("currency")
        self.amount = placed.money("amount")
        self.status = lines[-1].status
        self.paid = sum_of(self.of("paid"), "amount")
        self.refunded = sum_of(self.of("refunded"), "amount")
        self.to_seller = sum_of(lines, "to_seller")
        self.to_buyer = sum_of(lines, "to_buyer")
        self.escrow = self.paid - self.to_seller - self.to_buyer
        self.pending = self.to_buyer - self.refunded
        self.closings = [line for line in lines if line.closing]
        self.closing = self.closings[-1] if self.closings else None
        self.reason = self.closing.reason if self.closing else None
        self.closed_at = self.closing.occurred_at if self.closing else None
        self.shipped_at = self.first("shipped")

    def of(self, *types: str) -> list[Line]:
        """Return the events of these types."""
        return [line for line in self.lines if line.type in types]

    def first(self, kind: str) -> datetime | None:
        """Return when an event of a type first occurred."""
        return min((line.occurred_at for line in self.of(kind)), default=None)

    def setting(self, name: str) -> Line | None:
        """Return the event that set a due date last."""
        among = self.lines if name not in WINDOWS else [self.closing] if self.closing else []
        return next((line for line in reversed(among) if line.get(name) is not None), None)

    def due(self, name: str) -> datetime | None:
        """Return a due date as it stands."""
        line = self.setting(name)
        return line.when(name) if line else None

    @property
    def late(self) -> bool:
        """Whether it was shipped after the time to ship."""
        ship_by = self.due("ship_by")
        return self.shipped_at is not None and ship_by is not None and self.shipped_at > ship_by

    @property
    def frozen(self) -> bool:
        """Whether the freeze is up, be it under a dispute or not."""
        turns = [line.type for line in self.lines if line.closing or line.type in ("frozen", "unfrozen")]
        return turns[-1:] == ["frozen"]

    @property
    def refund_failed(self) -> bool:
        """Whether the refund that is on its way bounced, and nothing arrived or was decided since."""
        news = [line for line in self.lines if line.closing or line.type in ("refunded", "refund-failed")]
        return self.pending > 0 and news[-1].type == "refund-failed"


class Book:
    """The orders that a log tells of, by their ids, as one looks at it from a moment (instants without a zone).

    `words` says in the program's words what happens when a timer runs out, and when the protection is held.
    """

    def __init__(
        self,
        log: Iterable[bytes],
        *,
        now: datetime,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
        words: Callable[[str, bool], str] = "{}, held: {}".format,
    ) -> None:
        self.now = now
        self.words = words
        known = [line for line in map(Line, log) if known_at is None or line.recorded_at <= known_at]
        self.retractions = [line for line in known if line.type == "retracted"]
        taken_back = {(line.order_id, line.get("retracts")) for line in self.retractions}
        self.shown = [line for line in known if as_of is None or line.effective_at <= as_of]
        live: dict[str, list[Line]] = {}
        for line in self.shown:
            if line.type != "retracted" and (line.order_id, line.version) not in taken_back:
                live.setdefault(line.order_id, []).append(line)
        self.orders = [Order(live[order_id]) for order_id in sorted(live)]


def sum_of(lines: Iterable[Line], name: str) -> Decimal:
    """Return the sum of an amount over the events."""
    return sum((line.money(name) for line in lines), Decimal(0))


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, list[Value]]:
    """Return the values of each key."""
    groups: dict[Key, list[Value]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def rounded(exact: Fraction, places: int) -> float:
    """Return a number rounded to so many decimals, a half away from zero."""
    whole = int(abs(exact) * 10**places + Fraction(1, 2))
    return float(Fraction(whole if exact >= 0 else -whole, 10**places))


def share(part: int, whole: int) -> float:
    """Return a share, rounded to four decimals."""
    return rounded(Fraction(part, whole), 4)


def hours(length: timedelta) -> float:
    """Return how many hours a time is long, rounded to one decimal."""
    return rounded(Fraction(length // timedelta(microseconds=1), 3_600_000_000), 1)


def days(length: timedelta) -> float:
    """Return how many days a time is long, rounded to one decimal."""
    return rounded(Fraction(length // timedelta(microseconds=1), 86_400_000_000), 1)


def nearest_rank(values: Iterable[Rankable], percent: int) -> Rankable:
    """Return the value at the rank of a percentile, which is one of the values."""
    ranked = sorted(values)
    return ranked[-(-percent * len(ranked) // 100) - 1]
