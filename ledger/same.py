"""When two facts are the same fact (R10), so that telling one twice records it once."""

from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, get_args, get_type_hints

from msgspec import Meta, Struct
from msgspec.structs import replace

from ledger.errors import Refused
from ledger.events import Amount, Event, Item, Recorded
from ledger.order import Order

_NOT_COMPARED = {"fact_id", "source", "note"}
_AMOUNT = get_args(Amount)[1]


class Compared(NamedTuple):
    """How a field is compared: `completed` ones only where both give it, `amount` ones by value."""

    name: str
    completed: bool
    amount: bool


@cache
def compared(cls: type[Struct]) -> tuple[Compared, ...]:
    """Return the fields of an event type that tell whether two facts are the same."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(
        Compared(name, _is_completed(hints[name]), _is_amount(hints[name]))
        for name in cls.__struct_fields__
        if name not in _NOT_COMPARED
    )


def _metas(hint: Any) -> list[Meta]:
    return [meta for meta in getattr(hint, "__metadata__", ()) if isinstance(meta, Meta)]


def _is_completed(hint: Any) -> bool:
    return any((meta.extra or {}).get("completed") for meta in _metas(hint))


def _is_amount(hint: Any) -> bool:
    return _AMOUNT in _metas(hint) or any(_is_amount(part) for part in get_args(hint))


def already_recorded(order: Order, fact: Event) -> Recorded | None:
    """Return the line that says the same as this fact, a retracted one too; refuse a fact_id used otherwise (R10)."""
    if fact.fact_id is not None and fact.fact_id in order.fact_ids:
        recorded = order.line(order.fact_ids[fact.fact_id])
        if same_content(recorded.event, fact):
            return recorded
        raise Refused(
            "R10",
            f"order {order.order_id}: fact_id {fact.fact_id!r} is already used for another fact (seq {recorded.seq})",
            why="a fact_id names one fact of the order, and this one says something else (R10)",
            hint="if it is another fact, give it its own fact_id; if the first was wrong, retract it",
        )
    if not order.retracted and (order.effective_at is None or fact.occurred_at > order.effective_at):
        return None  # later than everything recorded
    same = [recorded for recorded in order.happened_at(fact.occurred_at) if _same_without_id(order, recorded, fact)]
    in_force = (recorded for recorded in same if recorded.version not in order.retracted)
    return next(in_force, same[0] if same else None)


def _same_without_id(order: Order, recorded: Recorded, fact: Event) -> bool:
    event = recorded.event
    if event.fact_id is not None and fact.fact_id is not None:
        return False
    if recorded.version in order.retracted and event.fact_id is None and fact.fact_id is not None:
        return False
    return same_content(event, fact)


def same_content(event: Event, fact: Event) -> bool:
    """Return whether a recorded event and a fact say the same, but for what only one of them could know."""
    if type(event) is not type(fact) or event.occurred_at != fact.occurred_at:
        return False
    return all(_same_field(field, event, fact) for field in compared(type(event)))


def _same_field(field: Compared, event: Event, fact: Event) -> bool:
    theirs, ours = getattr(event, field.name), getattr(fact, field.name)
    if theirs == ours or (field.completed and ours is None):
        return True
    if field.amount and isinstance(theirs, str) and isinstance(ours, str):
        return Decimal(theirs) == Decimal(ours)
    if field.completed and field.amount and theirs is None:
        return Decimal(ours) == 0  # a zero amount is left out of the line
    if field.name == "items" and theirs is not None and ours is not None and len(theirs) == len(ours):
        return all(_same_item(a, b) for a, b in zip(theirs, ours, strict=True))
    return False


def _same_item(a: Item, b: Item) -> bool:
    return Decimal(a.price) == Decimal(b.price) and replace(a, price="") == replace(b, price="")
