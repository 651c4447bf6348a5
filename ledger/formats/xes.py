"""XES (IEEE 1849) of histories: a log with a trace per order, for process mining by cases.

The events of a trace stand in the order in which they happened, as the audits `variants` and `handovers` take them;
what happened at the same instant stands in the order of the versions. What XML 1.0 cannot hold becomes U+FFFD.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from xml.sax.saxutils import quoteattr

from ledger import money
from ledger.events import Placed, tag_of
from ledger.formats.mining import Attribute, History, attributes, instant
from ledger.order import fold

TAGS = {"string": "string", "time": "date", "integer": "int", "float": "float", "boolean": "boolean"}
"""The element of each kind of attribute."""

EXTENSIONS = {"Concept": "concept", "Lifecycle": "lifecycle", "Organizational": "org", "Time": "time"}
"""The standard's extensions that are used, and their prefixes."""

GLOBALS = {
    "trace": (("concept:name", "string", "unknown"),),
    "event": (
        ("concept:name", "string", "unknown"),
        ("org:resource", "string", "unknown"),
        ("lifecycle:transition", "string", "complete"),
        ("time:timestamp", "time", "1970-01-01T00:00:00Z"),
    ),
}
"""What every trace and every event has."""

CLASSIFIERS = {"Activity": "concept:name", "ActivityAndActor": "concept:name org:resource"}
"""What makes two events the same: what happened, or that and who did it."""

_PLAIN = re.compile("[A-Za-z0-9 .:_-]*")
_IMPOSSIBLE = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control and bidirectional characters; as references they steer neither a terminal nor an editor."""


def document(histories: Iterable[History]) -> Iterator[str]:
    """Write the log, an order's trace at a time."""
    yield _head()
    for history in histories:
        yield _trace(history)
    yield "</log>\n"


def _head() -> str:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<log xes.version="1849.2016" xes.features="">']
    for name, prefix in EXTENSIONS.items():
        lines.append(f'<extension name="{name}" prefix="{prefix}" uri="http://www.xes-standard.org/{prefix}.xesext"/>')
    for scope, known in GLOBALS.items():
        lines += [f'<global scope="{scope}">', *(_element(Attribute(*one)) for one in known), "</global>"]
    lines += [f'<classifier name="{name}" scope="event" keys="{keys}"/>' for name, keys in CLASSIFIERS.items()]
    lines += [_string("concept:name", "orderledger"), _string("lifecycle:model", "standard")]
    return "\n".join(lines) + "\n"


def _trace(history: History) -> str:
    lines = ["<trace>", *map(_element, _case(history))]
    for recorded in sorted(history, key=lambda line: (line.event.occurred_at, line.version)):
        event = recorded.event
        lines += [
            "<event>",
            _string("concept:name", tag_of(event)),
            _string("org:resource", event.actor or event.usual_actor),
            _string("lifecycle:transition", "complete"),
            _element(Attribute("time:timestamp", "time", instant(event.occurred_at))),
            _element(Attribute("seq", "integer", str(recorded.seq))),
            *(_element(attribute) for attribute in attributes(recorded) if attribute.name != "actor"),
            "</event>",
        ]
    return "\n".join([*lines, "</trace>", ""])


def _case(history: History) -> Iterator[Attribute]:
    """Give what is so of the whole order: what was ordered, and how it stands after its last event."""
    order = fold(history[0].event.order_id, history)
    yield Attribute("concept:name", "string", order.order_id)
    for recorded in history:
        if isinstance(recorded.event, Placed):
            kept = ("marketplace", "seller", "title", "currency", "parent", "reorder_of")
            yield from (attribute for attribute in attributes(recorded) if attribute.name in kept)
            yield Attribute("amount", "float", money.text(order.amount, order.currency))
    yield Attribute("status", "string", order.status)
    if order.closure_reason is not None:
        yield Attribute("closure_reason", "string", order.closure_reason)


def _string(key: str, value: str) -> str:
    return _element(Attribute(key, "string", value))


def _element(attribute: Attribute) -> str:
    return f"{_begun(attribute.kind, attribute.name)} value={_quoted(attribute.value)}/>"


@cache
def _begun(kind: str, name: str) -> str:
    return f"<{TAGS[kind]} key={quoteattr(name)}"


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return f'"{text}"'  # the same, but ten times as fast
    return _UNSEEN.sub(lambda found: f"&#{ord(found[0])};", quoteattr(_IMPOSSIBLE.sub("\ufffd", text)))
