"""What a foreign format gives: a file is records, a record tells facts.

A format is a pure function from the bytes of a file to its records. What it cannot tell from a record is a problem of
that record and says so; a fact that it can tell is told all the same. Nothing here decides: the facts are decided as if
somebody had typed them, and what the ledger already knows counts as told (`ledger/retold.py`).
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from ledger.errors import Malformed
from ledger.events import Fact, Placed, Shipped

UNKNOWN_SELLER = "unknown-seller"
"""The seller of an order whose source names none; it contradicts no other."""

BOM = b"\xef\xbb\xbf"
"""What some programs put before UTF-8."""

MAX_BYTES = 64 << 20
"""A larger file of a format that has to be read as a whole is refused."""

MAX_MARKS = 1_000_000
"""So is one with more objects and lists: each takes more memory than it has bytes."""


class Record(NamedTuple):
    """One record of a foreign file: its number, counted from 1, how it stood, and what it tells.

    `facts` stand in the order in which they are to be decided. `problems` are what could not be told from it, each with
    what, why and hint.
    """

    number: int
    text: bytes
    facts: list[Fact]
    problems: list[Malformed]


class Asked:
    """What a format may ask, because its files do not say it: the ledger, and what was told before in this import.

    `currency` is the code for files that name none. `log` gives what was shipped and what was placed as a part, in
    force; it is read when first needed. `placings` makes what tells how any order was placed. `used` says that a
    foreign file came.
    """

    def __init__(
        self,
        currency: str | None,
        log: Callable[[], Iterable[Fact]],
        placings: Callable[[], Callable[[str], Placed | None]] = lambda: lambda order_id: None,
    ) -> None:
        self.currency = currency
        self.used = False
        self._log = log
        self._placings = placings
        self._look_up: Callable[[str], Placed | None] | None = None
        self._told: list[Fact] = []
        self._read = False
        self._placed: dict[str, Placed | None] = {}
        self._parts: dict[str, dict[str, None]] = {}
        self._shipped: dict[str, dict[str, None]] = {}

    def note(self, fact: Fact) -> None:
        """Keep in mind what an earlier record told."""
        if isinstance(fact, Placed | Shipped):
            (self._learn if self._read else self._told.append)(fact)

    def log_grew(self, *, at_once: bool) -> None:
        """Read the log anew when next asked: what another kind of file told, or took back, since is only there.

        Not where nothing is there before the end of the import.
        """
        if at_once:
            return
        self._read = False
        self._look_up = None
        for learnt in (self._placed, self._parts, self._shipped):
            learnt.clear()

    def shipped_as(self, tracking: str) -> list[str]:
        """Return the orders that a tracking number was shipped for."""
        self._learn_all()
        return [*self._shipped.get(tracking, ())]

    def parts_of(self, parent: str) -> list[str]:
        """Return the orders that were placed as parts of a parent."""
        self._learn_all()
        return [*self._parts.get(parent, ())]

    def placed(self, order_id: str) -> Placed | None:
        """Return how an order was placed, None when nobody told."""
        self._learn_all()
        if order_id not in self._placed:
            self._look_up = self._look_up or self._placings()
            self._placed[order_id] = self._look_up(order_id)
        return self._placed[order_id]

    def _learn_all(self) -> None:
        if not self._read:
            self._read = True
            for fact in (*self._log(), *self._told):
                self._learn(fact)
            self._told.clear()

    def _learn(self, fact: Fact) -> None:
        if isinstance(fact, Placed):
            self._placed[fact.order_id] = self._placed.get(fact.order_id) or fact
            if fact.parent is not None:
                self._parts.setdefault(fact.parent, {})[fact.order_id] = None
        elif isinstance(fact, Shipped) and fact.tracking is not None:
            self._shipped.setdefault(fact.tracking, {})[fact.order_id] = None


class Format(NamedTuple):
    """A foreign format: what it is called, what it is in a few words, how it is told from others, and how it is read.

    `sniff` gets the first bytes of a file (up to 256 KiB). `read` gets all of it; BadInput when it is no such file.
    `exact` is a format of the ledger's own facts: they are told as they were decided, and held against no others (R10
    alone says which are the same). `line` gives the fact of one line, Malformed when there is none: a file that has one
    a line is read with it as it comes, however large it is. `tells_payments`: an order that it tells and no payment of
    was not paid.
    """

    name: str
    title: str
    sniff: Callable[[bytes], bool]
    read: Callable[[bytes, Asked], Iterator[Record]]
    exact: bool = False
    line: Callable[[bytes], Fact] | None = None
    tells_payments: bool = True


def order_of(named: str, asked: Asked) -> str:
    """Return the order that is meant by an id which may be that of a parent; Malformed when it has several parts."""
    if asked.placed(named) is not None:
        return named
    parts = asked.parts_of(named)
    if len(parts) > 1:
        raise Malformed(
            f"{named} was placed as {len(parts)} orders: {', '.join(parts[:5])}",
            why="it does not say which of them is meant",
            hint="record it with the order's own id",
        )
    return parts[0] if parts else named


def merged(facts: Iterable[Fact]) -> list[Fact]:
    """Return the facts by their time, those of one moment as they came."""
    return sorted(facts, key=lambda fact: fact.occurred_at)
