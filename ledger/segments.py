"""Where things are in the log: positions, and the segments as one moment saw them.

A position is one int: the segment's ordinal (0 for the first) << 40 | the byte offset in it.
"""

import os
import re
from datetime import datetime
from typing import NamedTuple

from ledger.disk import LogFile, line_before
from ledger.errors import Damaged

Position = int

OFFSET_BITS = 40
OFFSET_MASK = (1 << OFFSET_BITS) - 1

_SEQ = re.compile(rb'\{"seq":([0-9]+),')


def last_seq(file: LogFile) -> int | None:
    """The seq of a segment's last line, not checked any further; None when there is no such line."""
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        found = _SEQ.match(line_before(fd, file.size, file.path)) if file.size else None
    except Damaged:
        return None
    finally:
        os.close(fd)
    return int(found[1]) if found else None


def gap_before(file: LogFile) -> Damaged:
    """The error of a segment that does not begin where the one before it ends."""
    return Damaged(
        f"the log is damaged: {file.path.name} does not follow on the segment before it",
        why=f"lines before seq {file.first_seq} are missing",
        hint="bring the missing segments back from a backup",
    )


class Snapshot(NamedTuple):
    """The log as it stood at one moment: its segments in order, each up to its last newline.

    `damage` is set where a segment does not follow on the one before it; then only those before the gap are here.
    """

    files: tuple[LogFile, ...]
    damage: Damaged | None = None

    @property
    def sealed(self) -> tuple[LogFile, ...]:
        """The segments that do not grow any more."""
        return self.files[:-1]

    @property
    def end(self) -> Position:
        """The position after the last line."""
        return position(len(self.files) - 1, self.files[-1].size) if self.files else 0

    def until(self, ordinal: int) -> "Snapshot":
        """The segments up to and with one."""
        return Snapshot(self.files[: ordinal + 1])

    def bytes_after(self, start: Position) -> int:
        """How many bytes of lines follow a position."""
        ordinal, offset = divmod(start, 1 << OFFSET_BITS)
        return sum(file.size for file in self.files[ordinal:]) - offset


class End(NamedTuple):
    """The end of the log: the last line's seq and instant (0 and None when empty), and the position after it."""

    seq: int
    recorded_at: datetime | None
    position: Position


class Damage(NamedTuple):
    """The first bad line: its segment cut before it, its ordinal, its line number (from 1), the seq due there."""

    file: LogFile
    ordinal: int
    line: int
    seq: int
    problem: str


def position(ordinal: int, offset: int) -> Position:
    """The position of a byte offset in a segment."""
    return ordinal << OFFSET_BITS | offset


def segment_of(at: Position) -> int:
    """The ordinal of a position's segment."""
    return at >> OFFSET_BITS


def offset_of(at: Position) -> int:
    """The byte offset of a position in its segment."""
    return at & OFFSET_MASK
