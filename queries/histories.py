"""The histories of all orders: the events in force at a moment, order after order, as the log has them."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, get_type_hints

import msgspec

from ledger.disk import REPAIR
from ledger.errors import Damaged
from ledger.events import TYPES, Event, Fact, Noted, Placed, Recorded
from ledger.money import EXPONENTS
from queries.engine import Relations
from queries.log import FIELD_TYPES

PAGE = 5000
"""Rows taken from the engine at a time."""

Row = tuple[Any, ...]

_FIRST = ("order_id", "seq", "version", "recorded_at", "status", "odd", "effective_at", "type", "occurred_at")
_COLUMNS = (*_FIRST, *(name for name in FIELD_TYPES if name not in _FIRST))
_TYPE = _COLUMNS.index("type")
_ACCOUNT_CURRENCY = _COLUMNS.index("account_currency")
_FIELDS = {tag: [(_COLUMNS.index(name), name) for name in event.__struct_fields__] for tag, event in TYPES.items()}
"""Where the fields of each type of event stand in a row."""

_KEPT = f"""
CREATE TABLE internal.histories AS
SELECT {", ".join(_COLUMNS)} FROM events WHERE retracted_by IS NULL AND type <> 'retracted'
ORDER BY order_id, version
"""  # noqa: S608 - names of our own
_SHARED = "SELECT tracking FROM parcels GROUP BY tracking HAVING count(*) > 1"
_REPEATED = """
SELECT DISTINCT placed.order_id FROM internal.histories AS placed
INNER JOIN internal.histories AS again ON again.reorder_of = placed.order_id
WHERE placed.type = 'placed'
"""


class Histories:
    """The events in force of each order, in the order of their versions; the orders in that of their ids.

    They are put into a table first, so that damage of the log is known before the first is given; what is more than
    the memory for a query waits on the disk. They can be gone through more than once.
    """

    def __init__(self, relations: Relations) -> None:
        self._relations = relations
        relations.run(_KEPT, {})

    def __iter__(self) -> Iterator[list[Recorded]]:
        rows = chain.from_iterable(self._relations.pages("histories", PAGE))
        for _, of_one in groupby(rows, key=itemgetter(0)):
            yield _history([*of_one])

    def shared_parcels(self) -> frozenset[str]:
        """Return the tracking numbers that several orders name."""
        return frozenset(tracking for (tracking,) in self._relations.run(_SHARED, {}).rows)

    def repeated(self) -> frozenset[str]:
        """Return the orders that a later order repeats, of those that are here."""
        return frozenset(order_id for (order_id,) in self._relations.run(_REPEATED, {}).rows)


def _history(rows: list[Row]) -> list[Recorded]:
    if rows[0][_TYPE] != "placed":
        what = f"order {rows[0][0]}: lines are missing from the log"
        raise Damaged(what, why="it was never placed", hint=REPAIR)
    currency = rows[0][_COLUMNS.index("currency")]
    return [_recorded(row, currency) for row in rows]


def _recorded(row: Row, currency: str) -> Recorded:
    _, seq, version, recorded_at, status, odd, effective_at, _, occurred_at, *_ = row
    return Recorded(
        seq=seq,
        version=version,
        recorded_at=_instant(recorded_at),
        status=status,
        odd=tuple(odd.split(",")) if odd else (),
        effective_at=None if effective_at == occurred_at else _instant(effective_at),
        event=_event(row, currency),
    )


def _event(row: Row, currency: str) -> Fact:
    kind: Any = TYPES[row[_TYPE]]
    values: dict[str, Any] = {}
    for place, name in _FIELDS[row[_TYPE]]:
        value = row[place]
        if value is None:
            continue
        if type(value) is datetime:
            value = _instant(value)
        elif type(value) is Decimal:
            value = _amount(value, row[_ACCOUNT_CURRENCY] if name == "account_amount" else currency)
        elif name in _LISTS:
            value = _LISTS[name](value)
        values[name] = value
    event: Fact = kind(**values)
    return event


def _instant(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)


def _amount(value: Decimal, currency: str) -> str:
    """Write an amount with the decimals of its currency, as the log has it."""
    return f"{value:.{EXPONENTS.get(currency, 2)}f}"


def _reader(event: type[Event], name: str) -> Callable[[str], Any]:
    return msgspec.json.Decoder(get_type_hints(event)[name]).decode


_LISTS = {"items": _reader(Placed, "items"), "attachments": _reader(Noted, "attachments")}
"""What reads the columns that hold JSON."""
