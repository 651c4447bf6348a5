"""Every check of a whole ledger in one pass over its log; whatever is wrong is told, not only the first of it.

Takes no lock: the log is what it was when the pass began, up to its last newline. What cannot be read is told once: its
order, whose next version does not follow then, is told once more and not decided again.
"""

import os
import re
from collections.abc import Callable, Iterable, Sequence, Set
from contextlib import ExitStack, closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import msgspec

from ledger import plain, private, scan
from ledger.book import Ledger
from ledger.checkpoint import DIGITS, Checkpoint, contradiction, origin_of, parse
from ledger.disk import LogFile, line_at
from ledger.errors import UNREADABLE, BadInput
from ledger.events import Recorded
from ledger.findings import NOWHERE, Check, Findings, Place
from ledger.merkle import Tree, leaf
from ledger.places import Places
from ledger.redecide import Again
from ledger.segments import OFFSET_BITS, OFFSET_MASK, Position, position

QUICK = ("segments", "crc", "seqs", "checkpoints", "permissions")
CHECKS = (
    "segments",
    "lines",
    "crc",
    "seqs",
    "versions",
    "recorded_at",
    "decisions",
    "money",
    "checkpoints",
    "index",
    "copies",
    "permissions",
)
"""The names of all checks; with a checkpoint from outside comes EXTENDS."""

EXTENDS = "extends checkpoint"

READERS_MAX = 64
"""So many segments are kept open to read orders again."""

_LINE = msgspec.json.Decoder(Recorded)
_ENCODE = msgspec.json.Encoder().encode
_SEQ = re.compile(rb'\{"seq":([0-9]{1,18}),')
_SIZE = re.compile(f"[0-9]{{{DIGITS}}}")


class Report(msgspec.Struct, frozen=True):
    """What was found: how many lines the log has, the root over them, and every check."""

    events: int
    root: bytes
    checks: list[Check]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(check.ok for check in self.checks)


def verify(
    ledger: Ledger,
    *,
    quick: bool = False,
    outside: Checkpoint | None = None,
    copies: Callable[[], Iterable[str]] = lambda: (),
    progress: Callable[[int, int], None] = lambda size, events: None,
) -> Report:
    """Check a ledger; `quick` leaves out what needs the lines to be understood, and what was derived from them.

    `copies` tells what is wrong with the copies of segments, which are not made here.
    `progress` hears how many more bytes were read, and how many lines so far.
    """
    findings = Findings((QUICK if quick else CHECKS) + ((EXTENDS,) if outside else ()))
    origin = origin_of(ledger.config.id)
    published = _checkpoints(ledger.path / "checkpoints", origin, findings)
    events_dir = ledger.store.events_dir
    files = scan.segments(events_dir, lambda problem: findings.say("segments", problem))
    sizes = {checkpoint.size for checkpoint in (*published.values(), *((outside,) if outside else ()))}
    with ExitStack() as stack:
        one_pass = _Pass(findings, files, Tree((0, size) for size in sizes), progress)
        if not quick:
            one_pass.understand(stack.enter_context(closing(Places())))
            stack.callback(one_pass.close)
        tree = one_pass.run()
        if not quick:
            one_pass.compare_index(ledger.index.path)
    del one_pass  # and the orders that it has in memory
    for problem in copies() if not quick else ():
        findings.say("copies", problem)
    for name, checkpoint in published.items():
        if problem := contradiction(checkpoint, tree):
            findings.say("checkpoints", f"checkpoints/{name}: {problem}", Place(checkpoint.size))
    if outside is not None:
        wrong = "" if outside.origin == origin else f"it is of {outside.origin}, this is {origin}"
        if problem := wrong or contradiction(outside, tree):
            findings.say(EXTENDS, problem, NOWHERE if wrong else Place(outside.size))
    for problem in private.problems(ledger.path):
        findings.say("permissions", problem)
    return Report(tree.size, tree.root(), findings.checks())


def _checkpoints(folder: Path, origin: str, findings: Findings) -> dict[str, Checkpoint]:
    """The checkpoints that were published, by name; what cannot be one is told."""
    found: dict[str, Checkpoint] = {}
    if problem := plain.folder_problem(folder):
        findings.say("checkpoints", f"checkpoints/ {problem}")
        return found
    if not folder.exists():
        findings.say("checkpoints", "checkpoints/ is missing: the log cannot be held against what was published")
        return found
    for name in sorted(os.listdir(folder)):
        if name.startswith("."):
            continue  # one that is being written
        why = ""
        try:
            checkpoint = parse(plain.read(folder / name), name)
            if checkpoint.origin != origin:
                why = f"it is of {checkpoint.origin}, this is {origin}"
            elif not _SIZE.fullmatch(name) or int(name) != checkpoint.size:
                why = f"it covers seq 1 to {checkpoint.size}, its name says otherwise"
        except BadInput as error:
            why = error.why
        except OSError as error:
            why = error.strerror or str(error)
        if why:
            findings.say("checkpoints", f"checkpoints/{name}: {why}")
        else:
            found[name] = checkpoint
    return found


class _Pass:
    """One reading of the log. `due` is the seq due next; `other` another one that may come, after one that was not due.

    So a wrong seq is told once, and lines that are missing once for all that follow them.
    """

    def __init__(
        self, findings: Findings, files: list[LogFile], tree: Tree, progress: Callable[[int, int], None]
    ) -> None:
        self._findings = findings
        self._files = files
        self._tree = tree
        self._progress = progress
        self._due = 1
        self._other: int | None = None
        self._places: Places | None = None
        self._again: Again | None = None
        self._readers: dict[int, int] = {}
        self._times: tuple[datetime | None, datetime | None] = (None, None)
        self._before = NOWHERE

    def understand(self, places: Places) -> None:
        """Decide every line again, too."""
        self._places = places
        self._again = Again(places, self._read_line)

    def run(self) -> Tree:
        """Read everything and return the tree over all lines."""
        for ordinal, file in enumerate(self._files):
            name = file.path.name
            if file.first_seq != self._due:
                missing = file.first_seq - self._due
                told = f"its name says seq {file.first_seq}, due is {self._due}"
                told += f": {missing} lines are missing" if missing > 0 else ""
                self._findings.say("segments", told, Place(self._due, name, 1))
                self._other = file.first_seq
            try:
                self._read_segment(ordinal, file)
            except OSError as error:
                self._findings.say("segments", f"it cannot be read: {error.strerror}", Place(self._due, name))
        return self._tree

    def close(self) -> None:
        """Let the segments go."""
        for fd in self._readers.values():
            os.close(fd)
        self._readers.clear()

    def compare_index(self, index: Path) -> None:
        """Hold the index, if there is one, against what was read."""
        assert self._places is not None  # else the pass is a quick one
        if index.exists() and self._findings.any("segments", "lines", "crc"):
            self._findings.say("index", "it cannot be held against a log that cannot be read")
            return
        events_dir = index.parent.parent / "events"

        def sizes_now() -> list[int]:
            return [path.stat().st_size for path in sorted(events_dir.glob("*.jsonl"))]

        for check, problem in self._places.differences(index, self._files, sizes_now):
            self._findings.say(check, f"cache/{index.name}: {problem}" if check == "index" else problem)

    def _read_segment(self, ordinal: int, file: LogFile) -> None:
        name, number = file.path.name, 1
        for start, lines, fault in scan.blocks(file):
            if fault:
                check = "lines" if fault == scan.TOO_LONG and self._again else "segments"
                self._findings.say(check, fault, Place(self._due, name, number))
                self._tree.extend((leaf(b""),))
                self._passed(1)
                number += 1
                continue
            self._tree.extend([sha256(b"\x00" + line).digest() for line in lines])
            dues, bad = self._formed(lines, name, number)
            if self._again is not None:
                self._understood(self._again, lines, dues, bad, position(ordinal, start), name, number)
            number += len(lines)
            self._progress(sum(map(len, lines)) + len(lines), self._tree.size)

    def _formed(self, lines: list[bytes], name: str, number: int) -> tuple[Sequence[int], Set[int]]:
        """Check CRCs and seqs; return the seq due at each line, and which lines are not to be believed."""
        due = self._due
        if self._other is None and not any(
            line[-18:] != b',"crc":"%08x"}' % crc32(line[:-18]) or not line.startswith(b'{"seq":%d,' % seq)
            for seq, line in enumerate(lines, due)
        ):
            self._due += len(lines)
            return range(due, self._due), frozenset()
        dues, bad = [], set()
        for at, line in enumerate(lines):
            place = Place(self._due, name, number + at)
            if line[-18:] != b',"crc":"%08x"}' % crc32(line[:-18]):
                self._findings.say("crc", "its bytes do not match its CRC", place)
                bad.add(at)
            else:
                self._check_seq(line, place)
            dues.append(self._due)
            self._passed(1)
        return dues, bad

    def _check_seq(self, line: bytes, place: Place) -> None:
        found = _SEQ.match(line)
        seq = int(found[1]) if found else None
        if seq == self._due:
            self._other = None
        elif seq is not None and seq == self._other:
            self._due, self._other = seq, None
        else:
            said = "it does not begin with a seq" if seq is None else f"it says seq {seq}, due is {self._due}"
            self._findings.say("seqs", said, place)
            self._other = seq

    def _passed(self, lines: int) -> None:
        self._due += lines
        if self._other is not None:
            self._other += lines

    def _understood(
        self,
        again: Again,
        lines: list[bytes],
        dues: Sequence[int],
        bad: Set[int],
        start: Position,
        name: str,
        number: int,
    ) -> None:
        """Decode the lines of a block and decide them again."""
        found = [] if bad else _decoded_all(lines)
        for at, line in enumerate(lines if not found else ()):
            recorded, problem = (None, "") if at in bad else _decoded(line)
            if problem:
                self._findings.say("lines", problem, Place(dues[at], name, number + at))
            found.append(recorded)
        again.expect(found)
        for at, (line, recorded) in enumerate(zip(lines, found, strict=True)):
            if recorded is not None:
                told = again.next(recorded, line, start)
                recorded_at, latest = recorded.recorded_at, self._times[1]
                if told or (latest is not None and recorded_at < latest):
                    place = Place(dues[at], name, number + at)
                    for check, problem in told:
                        self._findings.say(check, problem, place)
                    before = Place(dues[at - 1], name, number + at - 1) if at else self._before
                    self._check_time(recorded_at, place, before)
                else:
                    self._times = latest, recorded_at
            start += len(line) + 1
        self._before = Place(dues[-1], name, number + len(lines) - 1)

    def _check_time(self, at: datetime, place: Place, place_before: Place) -> None:
        """Tell of a time before the last one; the line before stands out where this one follows on the last but one."""
        before, latest = self._times
        if latest is None or at >= latest:
            self._times = latest, at
        elif before is None or before <= at:
            self._findings.say("recorded_at", f"{_text(latest)} is later than what follows: {_text(at)}", place_before)
            self._times = before, at
        else:
            self._findings.say("recorded_at", f"{_text(at)} is earlier than what is before it: {_text(latest)}", place)

    def _read_line(self, at: Position) -> bytes:
        """The line that begins at a position."""
        ordinal = at >> OFFSET_BITS
        path = self._files[ordinal].path
        if ordinal not in self._readers:
            if len(self._readers) >= READERS_MAX:
                self.close()
            self._readers[ordinal] = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return line_at(self._readers[ordinal], at & OFFSET_MASK, path)


def _decoded_all(lines: list[bytes]) -> list[Recorded | None]:
    """The events on lines that are all as they should be; none where one is not."""
    decode, encode = _LINE.decode, _ENCODE
    found: list[Recorded | None] = []
    try:
        for line in lines:
            recorded = decode(line)
            if encode(recorded) != line:
                return []
            found.append(recorded)
    except UNREADABLE:
        return []
    return found


def _decoded(line: bytes) -> tuple[Recorded | None, str]:
    """The event on a line, and what is wrong with how it is written."""
    try:
        recorded = _LINE.decode(line)
    except UNREADABLE as error:
        return None, str(error)
    return recorded, "" if _ENCODE(
        recorded
    ) == line else "it is not spelled as lines are, so others may read it otherwise"


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
