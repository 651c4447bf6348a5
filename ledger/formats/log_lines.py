"""The lines of a ledger's own log, as `log -o jsonl` prints them: their events are told to another ledger as facts."""

import re
from collections.abc import Callable, Iterable, Iterator
from zlib import crc32

import msgspec

from ledger.errors import UNREADABLE, BadInput, Malformed
from ledger.events import Fact, Recorded
from ledger.formats.foreign import BOM, Asked, Format, Record
from ledger.redecide import with_zeros

FIELDS: tuple[tuple[str, str], ...] = (
    ("event", "the fact, with its own occurred_at, fact_id and source; amounts left out because they are zero are 0"),
    ("crc", "checked where it is there; a line that does not match is refused"),
    ("seq, version", "nothing: the ledger that takes it in counts its own"),
    ("recorded_at", "nothing: it is recorded now"),
    ("status, odd, effective_at", "nothing: it is decided again"),
)

TABLES = {"Log: fields of a line": FIELDS}

_SIGN = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"seq"\s*:')
_END = re.compile(rb',\s*"crc"\s*:\s*"([^"]*)"\s*\}\s*\Z')
_decoder = msgspec.json.Decoder(Recorded)


def fact_of(line: bytes) -> Fact:
    """Return the fact of a line of a log; Malformed where it is none, or its bytes do not match its CRC."""
    try:
        recorded = _decoder.decode(line)
    except msgspec.ValidationError as error:
        raise Malformed(
            f"not a line of a log: {error}",
            why="a line has seq, version, recorded_at, status and its event",
            hint="lines of facts are imported with --format facts",
        ) from None
    except UNREADABLE as error:
        raise Malformed(
            f"not a line of JSON: {error}",
            why="a log has one JSON object a line",
            hint="print it: orderledger log -o jsonl",
        ) from None
    if recorded.crc:
        end = _END.search(line)
        if end is None or end[1] != b"%08x" % crc32(line[: end.start()]):
            raise Malformed(
                "the line does not match its CRC",
                why="its bytes are not those that were recorded",
                hint="take it from the log again; to tell it as it is now, import its event alone",
            )
    return with_zeros(recorded.event)


def is_line(document: bytes) -> bool:
    """Return whether this looks like a line of a log, not like a fact."""
    return _SIGN.match(document) is not None and b'"recorded_at"' in document


def each(documents: Iterable[tuple[int, bytes]], fact_of: Callable[[bytes], Fact]) -> Iterator[Record]:
    """Give the record of each numbered document that holds one fact, or should."""
    for number, document in documents:
        try:
            yield Record(number, document, [fact_of(document)], [])
        except Malformed as problem:
            yield Record(number, document, [], [problem])


def numbered(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Give each line that is not blank, with its number."""
    for number, line in enumerate(content.removeprefix(BOM).split(b"\n"), 1):
        if line and not line.isspace():
            yield number, line.removesuffix(b"\r")


def _read(content: bytes, asked: Asked) -> Iterator[Record]:
    if content.strip() and not any(line.lstrip().startswith(b"{") for _, line in numbered(content)):
        raise BadInput(
            "it is no log", why="a log has one JSON object a line", hint="print it: orderledger log -o jsonl"
        )
    return each(numbered(content), fact_of)


LOG_LINES = Format("log", "lines of a ledger's log (JSON lines)", is_line, _read, exact=True, line=fact_of)
"""Another ledger's log."""
