"""What the files of parcel trackers have in common: JSON, scans, and the order that a parcel belongs to."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from ledger.errors import UNREADABLE, BadInput, Malformed
from ledger.events import DeliveryScan, Fact, Scanned
from ledger.formats.foreign import BOM, Asked, Record, merged, order_of

DELIVERED = "delivered-scan"
"""What a word becomes that says that the parcel was delivered; the others become a checkpoint of `scanned`, or:"""

NOTHING = ""
"""What a word becomes that tells nothing of where the parcel was seen."""


class Scan(NamedTuple):
    """One scan of a parcel: when, what it becomes, where, the carrier's words, and who took the parcel."""

    at: datetime
    becomes: str
    place: str | None
    words: str | None
    recipient: str | None = None


class Parcel(NamedTuple):
    """One parcel of a tracker's file: how it stood, its number, its order's id if the file has one, what it tells.

    `known` is False where it is no parcel at all, and no answer that there is none.
    """

    text: bytes
    number: str | None
    named: tuple[str, ...]
    scans: list[Scan]
    problems: list[Malformed]
    known: bool = True


def read(
    content: bytes, tell: Callable[[object], Iterable[Parcel]], *, tracker: str, source: str, asked: Asked
) -> Iterator[Record]:
    """Read the parcels of a file, as `tell` finds them in its documents; BadInput when it tells of none."""
    documents = _documents(content, tracker)

    def parcels() -> Iterator[Parcel]:
        return (parcel for document in documents for parcel in tell(document))

    if documents and not any(parcel.known for parcel in parcels()):
        raise BadInput(f"it is not JSON of {tracker}", why="it tells of no parcel", hint="save its answer as it is")
    return _records(parcels(), source, asked)


def no_parcel(document: object, what: str, *, why: str, known: bool) -> Parcel:
    """Return what stands for a document that tells of no parcel."""
    return Parcel(as_text(document), None, (), [], [Malformed(what, why=why)], known=known)


def scans_of(
    told: Iterable[object], scan: Callable[[Mapping[str, object]], Scan | None]
) -> tuple[list[Scan], list[Malformed]]:
    """Return the scans that a parcel's events tell, and what is wrong with the others."""
    scans: list[Scan] = []
    problems: list[Malformed] = []
    for place, one in enumerate(told, 1):
        try:
            if not isinstance(one, dict):
                raise Malformed("it is no JSON object", why="an event has its words and its time")
            found = scan(one)
        except Malformed as problem:
            problems.append(Malformed(f"event {place}: {problem.what}", why=problem.why, hint=problem.hint))
        else:
            scans += [] if found is None else [found]
    return scans, problems


def unknown_words(**words: str | None) -> Malformed:
    """Say that a tracker's words are in none of its tables."""
    told = ", ".join(f"{name} {word or 'missing'}" for name, word in words.items())
    return Malformed(
        f"the words are not known: {told}",
        why="they do not say where the parcel was seen",
        hint="record it by hand if it matters: orderledger record scanned ORDER --checkpoint …",
    )


def _records(parcels: Iterable[Parcel], source: str, asked: Asked) -> Iterator[Record]:
    """Tell the facts of each parcel, by their time."""
    for number, parcel in enumerate(parcels, 1):
        problems = list(parcel.problems)
        facts: list[Fact] = []
        if parcel.scans:
            try:
                order_id = _order_of(parcel, asked)
            except Malformed as problem:
                problems.append(problem)
            else:
                facts = merged(_fact(scan, order_id, parcel.number, source) for scan in parcel.scans)
        yield Record(number, parcel.text, facts, problems)


def _order_of(parcel: Parcel, asked: Asked) -> str:
    """Return the order that a parcel belongs to; Malformed where that is not certain."""
    if parcel.number is None:
        raise Malformed(
            "the parcel has no tracking number", why="its order is found by that", hint="take it from the tracker again"
        )
    shipped = asked.shipped_as(parcel.number)
    if len(shipped) == 1:
        return shipped[0]
    for named in parcel.named:
        if named in shipped:
            return named
        if not shipped and (asked.placed(named) is not None or asked.parts_of(named)):
            return order_of(named, asked)
    if shipped:
        raise Malformed(
            f"the parcel {parcel.number} was shipped for {len(shipped)} orders: {', '.join(shipped[:5])}",
            why="it does not say which of them is meant",
            hint="record its scans with the order's id: orderledger record delivered-scan ORDER --tracking …",
        )
    raise Malformed(
        f"no order was shipped with the tracking number {parcel.number}",
        why="a parcel's scans are told of the order that it belongs to",
        hint=f"first: orderledger record shipped ORDER --tracking {parcel.number}",
    )


def _fact(scan: Scan, order_id: str, tracking: str | None, source: str) -> Fact:
    if scan.becomes == DELIVERED:
        return DeliveryScan(
            order_id=order_id,
            occurred_at=scan.at,
            place=scan.place,
            recipient=scan.recipient,
            tracking=tracking,
            source=source,
            note=scan.words,
        )
    return Scanned(
        order_id=order_id,
        occurred_at=scan.at,
        checkpoint=scan.becomes,  # type: ignore[arg-type] # a word of the tables
        place=scan.place,
        tracking=tracking,
        source=source,
        note=scan.words,
    )


# Reading JSON of which nothing is certain.


def _documents(content: bytes, tracker: str) -> list[object]:
    """Return the JSON values of a file: one, the items of an array, or one a line; BadInput when it is no JSON.

    A line that is no JSON gives its bytes.
    """
    plain = content.removeprefix(BOM)
    try:
        whole = msgspec.json.decode(plain)
    except UNREADABLE as error:
        lines = [_line(line) for line in plain.splitlines() if line.strip()]
        if any(isinstance(line, dict | list) for line in lines):
            return [one for line in lines for one in (line if isinstance(line, list) else [line])]
        raise BadInput(f"it is not JSON of {tracker}: {error}", hint="save its answer as it is") from None
    return whole if isinstance(whole, list) else [whole]


def _line(line: bytes) -> object:
    try:
        return msgspec.json.decode(line)
    except UNREADABLE:
        return line


def as_text(document: object) -> bytes:
    """Return a part of a file as it is shown where it is refused."""
    return document if isinstance(document, bytes) else msgspec.json.encode(document)


def mapping(value: object) -> Mapping[str, object]:
    """Return an object of JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """Return an array of JSON; an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Return a text, or a whole number as text; None for anything else and where there is nothing but blanks."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return (value.strip() or None) if isinstance(value, str) else None


def moment(value: object) -> datetime | None:
    """Return the time of an ISO 8601 text as it stands, with its zone or without; None when it is none."""
    told = text(value)
    if told is None or not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def instant(value: object) -> datetime | None:
    """Return the instant of an ISO 8601 text in UTC; None when it is no time or has no zone."""
    told = moment(value)
    if told is None or told.tzinfo is None:
        return None
    try:
        return told.astimezone(UTC)
    except OverflowError:
        return None


def joined(*parts: object) -> str | None:
    """Return the texts among these in one, with commas between; None when there are none."""
    found = [part for part in map(text, parts) if part is not None]
    return ", ".join(found) or None
