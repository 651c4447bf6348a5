"""OCEL 2.0 (JSON) of histories: events and the objects they are about, for object-centric process mining.

Every value is written as text, as the published schema wants it, and its type declares how it is to be read: amounts
keep every digit. What is so of an object from the beginning has the time 1970-01-01T00:00:00Z, as the specification
says; what changes has the time of the change. An order, its payments and its disputes change at `effective_at`, the
latest occurred_at of the order so far; a parcel at the `occurred_at` of what was seen of it.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from ledger import events as e
from ledger import money
from ledger.formats.mining import KINDS, History, attributes, instant
from ledger.order import Order, evolve

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

OBJECTS: dict[str, dict[str, str]] = {
    "order": {
        "marketplace": "string",
        "title": "string",
        "currency": "string",
        "amount": "float",
        "status": "string",
        "closure_reason": "string",
        "paid": "float",
        "escrow": "float",
        "to_seller": "float",
        "to_buyer": "float",
        "refunded": "float",
        "ship_by": "time",
        "protected_until": "time",
    },
    "parent": {},
    "seller": {},
    "payment": {
        "amount": "float",
        "currency": "string",
        "method": "string",
        "account": "string",
        "account_amount": "float",
        "account_currency": "string",
        "status": "string",
    },
    "parcel": {"carrier": "string", "checkpoint": "string", "place": "string", "recipient": "string"},
    "dispute": {"reason": "string", "claim": "float", "status": "string", "outcome": "string"},
}
"""The types of objects, and their attributes with their types. The id of an object begins with its type."""

LINKS = {
    "parent": "part of",
    "seller": "sold by",
    "payment": "paid with",
    "parcel": "sent in",
    "dispute": "disputed in",
}
"""How an order is related to an object of each type; a number that the seller only named is `claimed`."""

_MONEY = ("paid", "escrow", "to_seller", "to_buyer", "refunded")
_PAYMENT_ENDS = {"made": "verifying", "verified": "verified"}
_DISPUTE_STATES = {"opened": "open", "withdrawn": "withdrawn", "resolved": "resolved", "ended": "ended"}

_encode = msgspec.json.Encoder().encode
Json = dict[str, Any]
Told = tuple[e.Recorded, dict[str, str]]


class _Change(NamedTuple):
    """A value that an attribute of an object has from a time on."""

    name: str
    value: str
    at: datetime = BEGINNING


def document(histories: Iterable[History], *, shared: Set[str], repeated: Set[str]) -> Iterator[bytes]:
    """Write the document, an event or object at a time; `histories` is gone through twice.

    `shared` are the tracking numbers that several orders name: such a parcel is one object. `repeated` are the orders
    among the histories that a later one repeats. In memory stay the ids of sellers and parents, and the shared parcels.
    """
    yield b'{"eventTypes":' + _encode([_type(name, kinds) for name, kinds in KINDS.items()])
    yield b',\n"objectTypes":' + _encode([_type(name, kinds) for name, kinds in OBJECTS.items()])
    yield b',\n"events":['
    yield from _elements(_event(*told) for history in histories for told in _related(history))
    yield b'],\n"objects":['
    yield from _elements(_objects(histories, shared, repeated))
    yield b"]}\n"


def _type(name: str, kinds: dict[str, str]) -> Json:
    return {"name": name, "attributes": [{"name": one, "type": kind} for one, kind in kinds.items()]}


def _elements(elements: Iterable[Json]) -> Iterator[bytes]:
    separator = b"\n"
    for element in elements:
        yield separator + _encode(element)
        separator = b",\n"


def _event(recorded: e.Recorded, related: dict[str, str]) -> Json:
    return {
        "id": f"event:{recorded.seq}",
        "type": e.tag_of(recorded.event),
        "time": instant(recorded.event.occurred_at),
        "attributes": [{"name": told.name, "value": told.value} for told in attributes(recorded)],
        "relationships": _relationships(related),
    }


def _relationships(related: dict[str, str]) -> list[Json]:
    return [{"objectId": object_id, "qualifier": qualifier} for object_id, qualifier in related.items()]


# Which objects an event is about.


def _related(history: History) -> Iterator[Told]:
    """Give each event with the ids of its objects, each with its one qualifier."""
    only = _only_number(history)
    payments: list[str] = []
    dispute, disputed = "", False
    seller = ""
    for recorded in history:
        event = recorded.event
        own = f"{event.order_id}:{recorded.version}"
        related = {f"order:{event.order_id}": "order"}
        match event:
            case e.Placed():
                seller = f"seller:{event.seller}"
                related[seller] = "seller"
                if event.parent is not None:
                    related[f"parent:{event.parent}"] = "parent"
            case e.Paid():
                payments.append(f"payment:{own}")
                related[payments[-1]] = "made"
            case e.Verified():
                related |= dict.fromkeys(payments, "verified")
                payments = []
            case e.CancelDeclined() | e.Shipped() | e.Scanned() | e.DeliveryScan():
                related |= _parcel(event, only)
            case e.DisputeOpened():
                dispute, disputed = f"dispute:{own}", True
                related[dispute] = "opened"
            case e.DisputeWithdrawn() | e.DisputeResolved() if dispute:
                disputed = False
                related[dispute] = "withdrawn" if isinstance(event, e.DisputeWithdrawn) else "resolved"
            case e.FeedbackLeft():
                related[seller] = "rated"
            case _ if event.closing and disputed:
                disputed = False
                related[dispute] = "ended"
        if event.actor == "seller":
            related.setdefault(seller, "actor")
        yield recorded, related


def _only_number(history: History) -> str | None:
    """Return the number of the order's parcel where it was shipped under one number only, as the relation `parcels`."""
    numbers = {line.event.tracking for line in history if isinstance(line.event, e.Shipped)} - {None}
    return numbers.pop() if len(numbers) == 1 else None


def _parcel(event: e.CancelDeclined | e.Shipped | e.Scanned | e.DeliveryScan, only: str | None) -> dict[str, str]:
    match event:
        case e.CancelDeclined():
            tracking, qualifier = event.tracking, "claimed"
        case e.Shipped():
            tracking, qualifier = event.tracking, "handed over"
        case _:
            tracking, qualifier = event.tracking or only, "seen"
    return {} if tracking is None else {f"parcel:{tracking}": qualifier}


# What the objects are.


def _objects(histories: Iterable[History], shared: Set[str], repeated: Set[str]) -> Iterator[Json]:
    seen: set[str] = set()
    gathered: dict[str, list[_Change]] = {}
    for history in histories:
        told = [*_related(history)]
        yield _order(told, repeated)
        changes: dict[str, list[_Change]] = {}
        for recorded, related in told:
            for object_id, qualifier in related.items():
                kind, _, number = object_id.partition(":")
                if kind in _CHANGES:
                    place = gathered if kind == "parcel" and number in shared else changes
                    place.setdefault(object_id, []).extend(_CHANGES[kind](recorded, qualifier))
                elif kind != "order" and object_id not in seen:
                    seen.add(object_id)
                    yield _object(object_id, [])
        yield from (_object(*one) for one in changes.items())
    yield from (_object(*one) for one in gathered.items())


def _object(object_id: str, changes: Iterable[_Change], links: dict[str, str] | None = None) -> Json:
    """Make an object of the values that its attributes had, each from the time on at which it became another."""
    values: dict[str, str] = {}
    kept = []
    for change in sorted(changes, key=attrgetter("at")):
        if values.get(change.name) != change.value:
            values[change.name] = change.value
            kept.append({"name": change.name, "value": change.value, "time": instant(change.at)})
    kind = object_id.partition(":")[0]
    return {"id": object_id, "type": kind, "attributes": kept, "relationships": _relationships(links or {})}


def _order(told: list[Told], repeated: Set[str]) -> Json:
    """Make the order's object: how it stood after each event, and what it is related to."""
    order = Order(told[0][0].event.order_id)
    changes: list[_Change] = []
    links: dict[str, str] = {}
    for recorded, related in told:
        event = recorded.event
        evolve(order, recorded)
        if isinstance(event, e.Placed):
            changes += _said(recorded, ("marketplace", "title", "currency", "amount"))
            if event.reorder_of in repeated:
                links[f"order:{event.reorder_of}"] = "repeats"
        changes += _standing(order)
        for object_id, qualifier in related.items():
            kind = object_id.partition(":")[0]
            if kind != "order" and (qualifier != "claimed" or object_id not in links):
                links[object_id] = "claimed" if qualifier == "claimed" else LINKS[kind]
    return _object(f"order:{order.order_id}", changes, links)


def _standing(order: Order) -> Iterator[_Change]:
    at = order.effective_at or BEGINNING
    yield _Change("status", order.status, at)
    if order.closure_reason is not None:
        yield _Change("closure_reason", order.closure_reason, at)
    for name in _MONEY:
        yield _Change(name, money.text(getattr(order, name), order.currency), at)
    for name in ("ship_by", "protected_until"):
        if (due := getattr(order, name)) is not None:
            yield _Change(name, instant(due), at)


def _said(recorded: e.Recorded, names: Iterable[str], at: datetime = BEGINNING) -> list[_Change]:
    return [_Change(told.name, told.value, at) for told in attributes(recorded) if told.name in names]


def _payment_changes(recorded: e.Recorded, qualifier: str) -> Iterable[_Change]:
    status = _Change("status", _PAYMENT_ENDS[qualifier], recorded.effective_at or recorded.event.occurred_at)
    return [*(_said(recorded, OBJECTS["payment"].keys() - {"status"}) if qualifier == "made" else ()), status]


def _dispute_changes(recorded: e.Recorded, qualifier: str) -> Iterable[_Change]:
    at = recorded.effective_at or recorded.event.occurred_at
    status = _Change("status", _DISPUTE_STATES[qualifier], at)
    if qualifier == "opened":
        return [*_said(recorded, ("reason", "claim")), status]
    return [status, *_said(recorded, ("outcome",), at)]


def _parcel_changes(recorded: e.Recorded, qualifier: str) -> Iterable[_Change]:
    at = recorded.event.occurred_at
    said = _said(recorded, OBJECTS["parcel"], at)
    return [*said, _Change("checkpoint", "delivered", at)] if isinstance(recorded.event, e.DeliveryScan) else said


_CHANGES: dict[str, Callable[[e.Recorded, str], Iterable[_Change]]] = {
    "payment": _payment_changes,
    "parcel": _parcel_changes,
    "dispute": _dispute_changes,
}
"""The objects whose attributes come from the events that they are related to."""
