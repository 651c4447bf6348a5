"""One line of the log: an event and its CRC, as bytes and back."""

import re
from datetime import UTC, datetime
from zlib import crc32

import msgspec

from ledger.disk import REPAIR
from ledger.errors import UNREADABLE, Damaged
from ledger.events import Recorded

_encode = msgspec.json.Encoder().encode
_END = re.compile(rb',"crc":"[0-9a-f]{8}"\}')
_DECODER = msgspec.json.Decoder(Recorded)


def encode(recorded: Recorded) -> bytes:
    """One line of the log with its CRC and newline; `recorded.crc` must be empty."""
    body = _encode(recorded)[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def mark_of(instant: datetime) -> bytes:
    """What the line of every event that happened then has in it."""
    return b'"occurred_at":' + _encode(instant.astimezone(UTC))


def mark_of_day(instant: datetime) -> bytes:
    """What the line of every event of that day in UTC has in it."""
    return b'"occurred_at":"%b' % instant.astimezone(UTC).date().isoformat().encode()


def check_crc(line: bytes) -> None:
    """Damaged when a line (without newline) does not match its CRC."""
    if line[-18:] != b',"crc":"%08x"}' % crc32(line[:-18]):
        raise Damaged("a line of the log is damaged", why="its bytes do not match its CRC", hint=REPAIR)


def whole_bytes(rest: bytes) -> int:
    """How many bytes after the last newline are a line to which only its newline is missing; 0 when there is none."""
    found = _END.search(rest)  # no text of a line can look like it: its quotes are escaped
    if found is None:
        return 0
    try:
        check_crc(rest[: found.end()])
    except Damaged:
        return 0
    return found.end()


def decode(line: bytes) -> Recorded:
    """The event on a line (without newline), checked against its CRC and the schema; Damaged otherwise."""
    check_crc(line)
    try:
        return _DECODER.decode(line)
    except UNREADABLE as error:
        raise Damaged("a line of the log is damaged", why=str(error), hint=REPAIR) from error
