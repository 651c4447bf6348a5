"""The marketplace's own interface, the Open Platform: orders with their operation log, and disputes, as JSON.

The same fields come as snake_case and as camelCase, alone, in lists, in wrappers, one answer a file or one a line. The
operation log says what happened; the order's own fields tell what the log does not. Only what has a time is told.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import msgspec

from ledger import events as e
from ledger.errors import UNREADABLE, BadInput, Malformed
from ledger.formats import open_platform_disputes as disputes
from ledger.formats import open_platform_orders as orders
from ledger.formats.foreign import BOM, Asked, Format, Record
from ledger.formats.open_platform_values import NAME, Node

_ENDED_AGAIN = "no second event: the closing seen once more, whose time it may tell"

TABLES: dict[str, Sequence[tuple[str, str]]] = {
    "Fields of an order": orders.FIELDS,
    "Operation log": [
        *((word, _ENDED_AGAIN if told == "ended" else told) for word, told in orders.ACTIONS.items()),
        ("any other", "noted"),
    ],
    "End reasons": [
        *((word or "none, of an order that is FINISH", told) for word, told in orders.END_REASONS.items()),
        ("any other", "closed: unknown, with the word in the note"),
    ],
    "Fields of a dispute": disputes.DISPUTE_FIELDS,
    "Steps of a dispute": [*disputes.DISPUTE_ACTIONS.items(), ("any other", "noted")],
    "Reasons of a dispute": [*disputes.DISPUTE_REASONS.items(), ("any others", "other")],
}

_DEEPEST = 24
_ORDER_SIGNS = frozenset(
    [
        "order_status",
        "order_amount",
        "pay_amount",
        "init_oder_amount",
        "child_order_list",
        "product_list",
        "opr_log_dto_list",
        "logistic_info_list",
        "fund_status",
        "frozen_status",
        "logistics_status",
        "gmt_trade_end",
        "gmt_pay_success",
        "gmt_pay_time",
        "end_reason",
        "order_end_reason",
    ]
)
_DISPUTE_SIGNS = frozenset(
    [
        "process_dto_list",
        "buyer_solution_list",
        "seller_solution_list",
        "platform_solution_list",
        "issue_reason_id",
        "reverse_detail_status",
        "reason_english",
        "reason_chinese",
        "refund_money_max",
    ]
)
_ADDRESS_SIGNS = frozenset(["contact_person", "detail_address", "zip", "province", "phone_number", "mobile_no"])
_ERROR_SIGNS = ("sub_msg", "error_message", "error_msg", "msg")

_WRAPPER = re.compile(rb'(?<!\\)"aliexpress_[a-z_.]{1,80}_response"\s*:')
_ERROR = re.compile(rb'(?<!\\)"error_?response"\s*:', re.IGNORECASE)
_DATED = re.compile(rb'(?<!\\)"gmt_?create"\s*:', re.IGNORECASE)
_OF_AN_ORDER = re.compile(
    rb'(?<!\\)"(?:order_?status|order_?amount|pay_?amount|child_?order_?list|opr_?log_?dto_?list|fund_?status'
    rb'|process_?dto_?list|issue_?reason_?id|reason_?english|(?:buyer|platform|seller)_?solution_?list)"\s*:',
    re.IGNORECASE,
)


def _sniff(start: bytes) -> bool:
    start = start.removeprefix(BOM).lstrip()
    if start[:1] not in (b"{", b"["):
        return False
    return bool(_WRAPPER.search(start) or _ERROR.search(start) or (_DATED.search(start) and _OF_AN_ORDER.search(start)))


class _Found(NamedTuple):
    """A thing of a file: an order, a dispute, an address, an error, or nothing of these; `text` is how it stood."""

    kind: str
    value: Any
    text: bytes | None = None


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


_decoder = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(decimal_format="number")


def _read(content: bytes, asked: Asked) -> Iterator[Record]:
    found = _everything(content.removeprefix(BOM))
    if not any(one.kind in ("order", "dispute") for one in found):
        raise _nothing_to_import(found)
    numbered = list(enumerate(found, 1))
    # A dispute is told of an order that may stand further down.
    for number, one in sorted(numbered, key=lambda pair: pair[1].kind == "dispute"):
        facts: list[e.Fact] = []
        problems: list[Malformed] = []
        if one.kind == "order":
            facts, problems = orders.Order(Node(one.value), asked).told()
        elif one.kind == "dispute":
            facts, problems = disputes.Dispute(Node(one.value), asked).told()
        else:
            problems.append(_no_order(one))
        yield Record(number, _encoder.encode(one.value) if one.text is None else one.text, facts, problems)


def _everything(content: bytes) -> list[_Found]:
    """Return what the file holds: one JSON document, or one a line."""
    try:
        return _within(_decoder.decode(content))
    except UNREADABLE as error:
        whole = error
    found: list[_Found] = []
    documents = 0
    for line in content.splitlines():
        if not line.strip():
            continue
        try:
            value = _decoder.decode(line)
        except UNREADABLE as error:
            found.append(_Found("broken", str(error), line))
            continue
        documents += isinstance(value, dict | list)
        within = _within(value)
        found += [within[0]._replace(text=line)] if len(within) == 1 else within or [_Found("nothing", value, line)]
    if not documents:
        raise BadInput(
            f"it is no JSON: {whole}", why="the Open Platform answers in JSON", hint="save the answer as it is"
        )
    return found


def _within(value: Any, depth: int = 0) -> list[_Found]:
    """Return the things in a value, however they are wrapped."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, list):
        each = [_within(one, depth + 1) for one in value]
        if not any(one.kind in ("order", "dispute") for ones in each for one in ones):
            return [one for ones in each for one in ones]
        return [found for one, ones in zip(value, each, strict=True) for found in ones or [_Found("nothing", one)]]
    if not isinstance(value, dict):
        return []
    node = Node(value)
    kind = _kind(node)
    if kind is not None:
        return [_Found(kind, value)]
    found = [one for inner in value.values() for one in _within(inner, depth + 1)]
    if not found and node.text(*_ERROR_SIGNS):
        return [_Found("error", value)]
    return found


def _kind(node: Node) -> str | None:
    names = node.fields.keys()
    named = node.id("id", "order_id") is not None
    if names & _DISPUTE_SIGNS:
        return "dispute"
    signs = len(names & _ORDER_SIGNS)
    if signs > 1 or (signs and named):
        return "order"
    if {"issue_id", "order_id", "issue_status"} <= names:
        return "dispute"
    return "address" if len(names & _ADDRESS_SIGNS) > 1 else None


def _nothing_to_import(found: list[_Found]) -> BadInput:
    kinds = {one.kind: one for one in reversed(found)}
    first = kinds.get("address") or kinds.get("error")
    if first is None:
        return BadInput(
            "it holds neither an order nor a dispute of the Open Platform",
            why="no object has an order's fields, such as order_status or order_amount",
            hint="save the answer to an order detail, order list or issue detail request",
        )
    problem = _no_order(first)
    return BadInput(f"no order is in the file: {problem.what}", why=problem.why, hint=problem.hint)


def _no_order(one: _Found) -> Malformed:
    hint = "save the answer to an order detail, order list or issue detail request"
    if one.kind == "address":
        return Malformed("it is a delivery address without its order", why="an address tells no fact", hint=hint)
    if one.kind == "error":
        said = Node(one.value).text(*_ERROR_SIGNS) or ""
        return Malformed(f"the marketplace answered with an error: {said[:200]}", why="it holds no order", hint=hint)
    if one.kind == "broken":
        return Malformed(f"not a line of JSON: {one.value}", why="one answer a line", hint="save the answer as it is")
    return Malformed("it is neither an order nor a dispute", why="it has none of their fields", hint=hint)


OPEN_PLATFORM = Format(NAME, "orders and disputes of the marketplace's Open Platform (JSON)", _sniff, _read)
"""The marketplace's own interface."""
