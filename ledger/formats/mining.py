"""What the formats for process mining share: the history of an order, and the attributes of its events in text.

A history is the events in force of one order, in the order of their versions.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from ledger.events import TYPES, Amount, Event, Instant, Recorded, Retracted

History = Sequence[Recorded]

_ENVELOPE = {"version": "integer", "status": "string", "odd": "string", "recorded_at": "time"}
_ELSEWHERE = ("type", "order_id", "occurred_at")
"""What both formats have a place of their own for."""


class Attribute(NamedTuple):
    """An attribute: its name, its kind (string, time, integer, float or boolean), and its value as text."""

    name: str
    kind: str
    value: str


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from _parts(part)


def _kind(hint: Any) -> str:
    parts = [*_parts(hint)]
    kinds = {"float": get_args(Amount)[1], "time": get_args(Instant)[0], "integer": int, "boolean": bool}
    return next((kind for kind, sign in kinds.items() if sign in parts), "string")


def _kinds(event: type[Event]) -> dict[str, str]:
    hints = get_type_hints(event, include_extras=True)
    names = [name for name in event.__struct_fields__ if name not in _ELSEWHERE]
    return _ENVELOPE | {name: _kind(hints[name]) for name in names}


KINDS: dict[str, dict[str, str]] = {tag: _kinds(event) for tag, event in TYPES.items() if event is not Retracted}
"""The attributes that each type of event can have, with their kinds; made from the structs."""


def instant(at: datetime) -> str:
    """Write an instant in UTC, as ISO 8601, RFC 3339 and XML Schema have it."""
    text: str = msgspec.to_builtins(at.astimezone(UTC))
    return text


def attributes(recorded: Recorded) -> Iterator[Attribute]:
    """Give what a line says of its event, but for what is not said; lists are written as JSON."""
    event: dict[str, Any] = msgspec.to_builtins(recorded.event)
    kinds = KINDS[event["type"]]
    told = {
        "version": recorded.version,
        "status": recorded.status,
        "odd": ",".join(recorded.odd) or None,
        "recorded_at": instant(recorded.recorded_at),
    } | event
    for name, value in told.items():
        if value is not None and name in kinds:
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            yield Attribute(name, kinds[name], text)
