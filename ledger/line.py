"""One line of the log: an event and its CRC, as bytes and back."""

from datetime import UTC, datetime
from zlib import crc32

import msgspec

from ledger.disk import REPAIR
from ledger.errors import UNREADABLE, Damaged
from ledger.events import Recorded

_encode = msgspec.json.Encoder().encode
_DECODER = msgspec.json.Decoder(Recorded)


def encode(recorded: Recorded) -> bytes:
    """One line of the log with its CRC and newline; `recorded.crc` must be empty."""
    body = _encode(recorded)[:-1]
    return b'%b,"crc":"%08x"}\n' % (body, crc32(body))


def mark_of(instant: datetime) -> bytes:
    """What the line of every event that happened then has in it."""
    return b'"occurred_at":' + _encode(instant.astimezone(UTC))


def check_crc(line: bytes) -> None:
    """Damaged when a line (without newline) does not match its CRC."""
    if line[-18:] != b',"crc":"%08x"}' % crc32(line[:-18]):
        raise Damaged("a line of the log is damaged", why="its bytes do not match its CRC", hint=REPAIR)


def decode(line: bytes) -> Recorded:
    """The event on a line (without newline), checked against its CRC and the schema; Damaged otherwise."""
    check_crc(line)
    try:
        return _DECODER.decode(line)
    except UNREADABLE as error:
        raise Damaged("a line of the log is damaged", why=str(error), hint=REPAIR) from error
