"""CloudEvents 1.0 in JSON: one a line, an array of them, or a single one; each holds a fact."""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ledger.errors import UNREADABLE, BadInput, Malformed
from ledger.events import Fact, Recorded, tag_of
from ledger.formats import facts, log_lines
from ledger.formats.foreign import BOM, Asked, Format, Record
from ledger.redecide import with_zeros

TYPE_PREFIX = "org.orderledger."
"""Before the type of the fact, in the type of its CloudEvent."""

SOURCE_PREFIX = "urn:orderledger:"
"""Before the id of the ledger, in the source of what it exports."""

FIELDS: tuple[tuple[str, str], ...] = (
    ("specversion", "1.0; another one is refused"),
    ("id", "out: the seq. In: has to be there, and is not kept; a fact says itself which it is"),
    ("source", f"out: {SOURCE_PREFIX} and the ledger's id. In: has to be there, and is not kept"),
    ("type", f"{TYPE_PREFIX} and the type of the fact, such as {TYPE_PREFIX}shipped; others are refused"),
    ("subject", "the order; refused where it is not that of the fact"),
    ("time", "occurred_at; refused where it is not that of the fact"),
    ("recordedtime", "out: recorded_at. In: not kept, it is recorded now"),
    ("datacontenttype", "application/json; others are refused"),
    ("data, data_base64", "the fact as in `export facts`, or a line of a log"),
    ("other attributes", "nothing"),
)

TABLES = {"CloudEvents: attributes": FIELDS}

_SIGN = re.compile(rb'"specversion"\s*:')
_JSON = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?json(?:\s*;.*)?", re.ASCII | re.IGNORECASE)
_Given = Annotated[str, Meta(min_length=1)]


class _Out(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A CloudEvent as it is written."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    recordedtime: datetime
    datacontenttype: str = "application/json"
    data: Fact


class _In(Struct, frozen=True, kw_only=True):
    """What is needed of a CloudEvent to read it."""

    specversion: str
    id: _Given
    source: _Given
    type: _Given
    subject: str | None = None
    time: Annotated[datetime, Meta(tz=True)] | None = None
    datacontenttype: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    data_base64: str | None = None


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(_In)


def events(lines: Iterable[Recorded], ledger_id: str) -> Iterator[bytes]:
    """Give the CloudEvent of each line of a log, as a line; its data is the fact that is decided the same again."""
    for line in lines:
        event = line.event
        yield (
            _encode(
                _Out(
                    id=str(line.seq),
                    source=SOURCE_PREFIX + ledger_id,
                    type=TYPE_PREFIX + tag_of(event),
                    subject=event.order_id,
                    time=event.occurred_at,
                    recordedtime=line.recorded_at,
                    data=with_zeros(event),
                )
            )
            + b"\n"
        )


def fact_of(document: bytes) -> Fact:
    """Return the fact that a CloudEvent holds; Malformed where it holds none, or says otherwise than its fact."""
    try:
        event = _decoder.decode(document)
    except msgspec.ValidationError as error:
        raise Malformed(
            f"not a CloudEvent: {error}",
            why="it has specversion, id, source and type, and its time has a zone",
            hint="lines of facts are imported with --format facts",
        ) from None
    except UNREADABLE as error:
        raise Malformed(f"not JSON: {error}", why="a CloudEvent is a JSON object in UTF-8") from None
    if event.specversion != "1.0":
        raise Malformed(f"CloudEvents of version {event.specversion}", why="this reads version 1.0")
    if not event.type.startswith(TYPE_PREFIX):
        raise Malformed(
            f"events of type {event.type} are not known",
            why=f"the type of an event that holds a fact is {TYPE_PREFIX} and the fact's type",
            hint="leave it out",
        )
    if event.datacontenttype is not None and not _JSON.fullmatch(event.datacontenttype.strip()):
        raise Malformed(f"its data is {event.datacontenttype}", why="a fact is JSON: application/json")
    fact = _data(event)
    _compare("type", event.type.removeprefix(TYPE_PREFIX), tag_of(fact))
    _compare("subject", event.subject, fact.order_id)
    _compare("time", event.time, fact.occurred_at)
    return fact


def _data(event: _In) -> Fact:
    data = bytes(event.data)
    if event.data_base64 is not None:
        if data not in (b"", b"null"):
            raise Malformed("it has data and data_base64", why="an event has one of them (CloudEvents 1.0)")
        try:
            data = b64decode(event.data_base64, validate=True)
        except (NotBase64, ValueError) as error:
            raise Malformed(f"its data_base64 is no base64: {error}", why="it holds the fact") from None
    if data in (b"", b"null"):
        raise Malformed("it has no data", why="the data of an event is its fact")
    return log_lines.fact_of(data) if log_lines.is_line(data) else facts.parse(data)


def _compare(name: str, said: object, of_fact: object) -> None:
    """Refuse an event that says otherwise than its fact, where it says anything."""
    if said is not None and said != of_fact:
        raise Malformed(
            f"its {name} is {said}, the fact's is {of_fact}",
            why="an event and the fact in it say the same",
            hint="find out which is right, and import the fact alone",
        )


def _sniff(start: bytes) -> bool:
    return start.removeprefix(BOM).lstrip()[:1] in (b"{", b"[") and _SIGN.search(start) is not None


def _read(content: bytes, asked: Asked) -> Iterator[Record]:
    """Read an array or a single event, however it is laid out; else one event a line."""
    plain = content.removeprefix(BOM)
    if plain.strip() and not _sniff(plain):
        raise BadInput("it is no CloudEvents", why="those are JSON objects with a specversion")
    if plain.lstrip().startswith(b"["):
        try:
            batch = msgspec.json.decode(plain, type=list[msgspec.Raw])
        except UNREADABLE as error:
            raise BadInput(f"it is no batch of CloudEvents: {error}", why="that is a JSON array") from None
        return log_lines.each(enumerate(map(bytes, batch), 1), fact_of)
    try:
        single = bytes(msgspec.json.decode(plain, type=msgspec.Raw))
    except UNREADABLE:
        return log_lines.each(log_lines.numbered(plain), fact_of)
    return log_lines.each([(1, single)], fact_of)


CLOUDEVENTS = Format("cloudevents", "CloudEvents 1.0 (JSON)", _sniff, _read, exact=True, line=fact_of)
"""Facts as CloudEvents, such as `export cloudevents` writes them."""
