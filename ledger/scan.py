"""Reading a log that may be damaged: every segment that is there, every line of it, and what is not as it should be."""

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.disk import BLOCK_BYTES, LINE_BYTES_MAX, LogFile, bytes_between, complete_bytes
from ledger.errors import Damaged
from ledger.line import check_crc, whole_bytes

_NAME = re.compile(r"([0-9]{12})\.jsonl")

NOT_ENDED = "the line is not ended"
TOO_LONG = "the line is longer than any line can be"


class Block(NamedTuple):
    """Some lines of a segment and where the first begins; or one line that cannot be given, with what is wrong."""

    start: int
    lines: list[bytes]
    fault: str = ""


def segments(events_dir: Path, say: Callable[[str], None]) -> list[LogFile]:
    """The segments by their names, the newest up to its last newline; foreign files are said and left out."""
    found = []
    for name in sorted(os.listdir(events_dir)):
        matched, path = _NAME.fullmatch(name), events_dir / name
        if name.startswith("."):
            continue  # a draft, or what a file manager leaves
        about = os.lstat(path)
        if matched is None or not stat.S_ISREG(about.st_mode):
            say(f"events/{name} is no segment of the log: those are plain files named by their first seq")
        elif not about.st_size:
            say(f"events/{name} is empty: what it held is not in the log any more")
        else:
            found.append(LogFile(int(matched[1]), path, about.st_size))
    while found:
        newest = found.pop()
        try:
            size = complete_bytes(newest.path, newest.size)
        except OSError:
            size = newest.size  # whoever reads it is told
        if size < newest.size and whole_bytes(bytes_between(newest.path, size, newest.size)):
            say(f"events/{newest.path.name}: its last line is whole and has lost the newline that ends it")
        if size:
            return [*found, newest._replace(size=size)]
    return []


def blocks(file: LogFile) -> Iterator[Block]:
    """Every line of a segment up to its size, a block at a time; OSError."""
    fd = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        start = end = 0
        rest = b""
        while end < file.size and (block := os.pread(fd, min(BLOCK_BYTES, file.size - end), end)):
            end += len(block)
            *lines, rest = (rest + block).split(b"\n")
            if lines:
                yield Block(start, lines)
                start = end - len(rest)
            if len(rest) > LINE_BYTES_MAX:
                end = _next_line(fd, end, file.size)
                yield Block(start, [], TOO_LONG)
                start, rest = end, b""
        if rest or end < file.size:
            yield Block(start, [], NOT_ENDED)
    finally:
        os.close(fd)


def check(file: LogFile) -> None:
    """Damaged where a line of a segment, up to its size, is not what was written; OSError."""
    for _, lines, fault in blocks(file):
        for line in lines:
            check_crc(line)
        if fault:
            raise Damaged(f"{file.path.name} is damaged", why=fault)


def _next_line(fd: int, offset: int, size: int) -> int:
    """The offset after the next newline, or the size where there is none."""
    while offset < size and (block := os.pread(fd, min(BLOCK_BYTES, size - offset), offset)):
        at = block.find(b"\n")
        if at >= 0:
            return offset + at + 1
        offset += len(block)
    return size
