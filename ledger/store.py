"""The event store: the log's segments, its lock, durable appends and repair. Nothing else writes the log.

Lines are handed out without their newline. Nothing here holds more than one block of the log in memory.
"""

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger import plain
from ledger.disk import (
    BLOCK_BYTES,
    DRAFT,
    REPAIR,
    STAYS,
    Disk,
    Draft,
    LogFile,
    check_owner,
    complete_bytes,
    failed,
    line_at,
    line_before,
    sealed,
    split_lines,
    sweep_draft,
    write_all,
)
from ledger.errors import Damaged, Locked, StorageFailed
from ledger.line import decode
from ledger.mending import end_line, line_ends, move_away, sync_or_mark
from ledger.segments import (
    OFFSET_BITS,
    OFFSET_MASK,
    Damage,
    End,
    Position,
    Snapshot,
    gap_before,
    last_seq,
    position,
)

POLL_SECONDS = 0.005

_NAME = re.compile(r"[0-9]{12}\.jsonl")
_CHECKPOINT = re.compile(r"[0-9]{12}")


class EventStore:
    """The log of one ledger folder: readers take snapshots without a lock, one writer at a time holds `lock`."""

    def __init__(self, path: Path, *, segment_bytes: int = 67108864, disk: Disk | None = None) -> None:
        self.path = path
        self.events_dir = path / "events"
        self.rejects_dir = path / "rejects"
        self.segment_bytes = segment_bytes
        self.disk = disk or Disk()
        self.repaired: list[str] = []
        self._locked = False
        self._fd: int | None = None
        self._paths: list[Path] = []
        self._drafts: list[Path] = []
        self._joined: set[tuple[LogFile, int]] = set()
        self._readers: dict[int, int] = {}
        self._tail = LogFile(0, self.events_dir, 0)
        self._last_line = b""
        check_owner(path)
        check_owner(self.events_dir)
        plain.check_folder(self.events_dir)

    # Reading: no lock.

    def snapshot(self) -> Snapshot:
        """The complete lines of this moment; takes no lock. Damaged when the segments' names make no log."""
        files = self._complete()
        gap = self._first_gap(files)
        return Snapshot(tuple(files)) if gap is None else Snapshot(tuple(files[:gap]), gap_before(files[gap]))

    def sizes(self) -> list[int]:
        """How long each segment is, or is once its last line is mended: ended, or moved away."""
        files = self._files()
        found = [file.size for file in files]
        if found and found[-1]:
            complete, end = line_ends(files[-1])
            found[-1] = complete if complete == end else end + 1
        return found

    def end(self) -> End:
        """Where the log ends at this moment; takes no lock. Damaged when the last line is or segments are missing."""
        snapshot = self.snapshot()
        if snapshot.damage is not None:
            raise snapshot.damage
        if not snapshot.files:
            return End(0, None, 0)
        last = decode(self.line_before(snapshot.end))
        return End(last.seq, last.recorded_at, snapshot.end)

    def lines(self, start: Position = 0, snapshot: Snapshot | None = None) -> Iterator[tuple[Position, bytes]]:
        """Every complete line from a position on; Damaged where a line is not ended or segments are missing."""
        snapshot = snapshot or self.snapshot()
        files = snapshot.files
        first, offset = divmod(start, 1 << OFFSET_BITS)
        for ordinal in range(first, len(files)):
            file, at = files[ordinal], position(ordinal, offset)
            for line in split_lines(file, offset):
                yield at, line
                at += len(line) + 1
            if at & OFFSET_MASK != file.size:
                raise Damaged(f"{file.path.name}: a line is not ended", why="the segment was cut", hint=REPAIR)
            offset = 0
        if snapshot.damage is not None:
            raise snapshot.damage

    def read_line(self, at: Position) -> bytes:
        """The line that starts at a position; Damaged when none ends after it."""
        fd, path = self._reader(at >> OFFSET_BITS)
        return line_at(fd, at & OFFSET_MASK, path)

    def line_before(self, at: Position) -> bytes:
        """The line that ends right before a position; Damaged when none does."""
        fd, path = self._reader(at >> OFFSET_BITS)
        return line_before(fd, at & OFFSET_MASK, path)

    def first_damage(self) -> Damage | None:
        """The first line that does not parse, match its CRC or follow its predecessor; None when all are good."""
        files = self._complete()
        seq = 1
        for ordinal, file in enumerate(files):
            offset, number, problem = 0, 1, ""
            if file.first_seq != seq:
                problem = f"the segment's name says seq {file.first_seq}, due is {seq}"
            for line in () if problem else split_lines(file, 0):
                problem = _problem(line, seq)
                if problem:
                    break
                offset, number, seq = offset + len(line) + 1, number + 1, seq + 1
            if not problem and offset != file.size:
                problem = "the line is not ended"
            if problem:
                return Damage(file._replace(size=offset), ordinal, number, seq, problem)
        return None

    # Writing: under the lock.

    @contextmanager
    def lock(self, wait: float) -> Iterator[None]:
        """Be the only writer; Locked after `wait` seconds. The writer's methods are used inside it."""
        assert not self._locked
        fd = self._acquire(wait)
        self._locked = True
        self._forget()
        try:
            yield
        finally:
            self._locked = False
            self._let_go()
            self.disk.close(fd)

    def ready(self) -> End:
        """Make the end of the log fit to build on, and say where it is; Damaged when its last line is bad.

        A last line that is not ended is ended if it is whole, else moved to rejects/ (said in `repaired`). Lines that
        this object did not leave there itself are synced: their writer may have been killed before it did. A disk says
        only once that a sync failed, so the last segment is then made read-only, and who finds it so writes it anew.
        A log that ends before a published checkpoint does is Damaged.
        """
        assert self._locked
        try:
            covered = self._covered()
            files = self._mended(covered)
            if not files:
                _check_covered(0, covered)
                self._tail, self._last_line = LogFile(0, self.events_dir, 0), b""
                return End(0, None, 0)
            tail = files[-1]
            unsure = sealed(tail.path)
            if unsure:
                self._write_anew(tail.path)
            fd = self._open_tail(tail.path)
            line = line_before(fd, tail.size, tail.path)
            if unsure or (tail, line) != (self._tail, self._last_line):
                self._sync_tail(fd, tail.path)
            gap = self._first_gap(files)
        except OSError as error:
            self._let_go()
            raise failed(error) from error
        if gap is not None:
            raise gap_before(files[gap])
        last = decode(line)
        first = decode(line_at(fd, 0, tail.path))
        if first.seq != tail.first_seq:
            raise Damaged(f"{tail.path.name} begins with seq {first.seq}", why="its name says otherwise", hint=REPAIR)
        _check_covered(last.seq, covered)
        self._tail, self._last_line = tail, line
        return End(last.seq, last.recorded_at, position(len(files) - 1, tail.size))

    def append(self, chunk: bytes, first_seq: int, last_seq: int) -> Position:
        """Write complete lines, sync, and return where they start; after StorageFailed the log is as it was."""
        assert self._locked, "append needs the lock"
        assert chunk.endswith(b"\n"), "append takes complete lines"
        assert first_seq <= last_seq, "a chunk has at least one line"
        tail = self._tail
        if not tail.size or tail.size + len(chunk) > self.segment_bytes:
            return self._begin(chunk, first_seq)
        try:
            fd = self._open_tail(tail.path)
            write_all(self.disk, fd, chunk)
            self.disk.sync(fd)
        except OSError as error:
            raise self._undo(error) from error
        self._tail = tail._replace(size=tail.size + len(chunk))
        self._last_line = _last(chunk)
        return position(len(self._paths) - 1, tail.size)

    def draft(self) -> Draft:
        """A new draft beside the segments; StorageFailed."""
        try:
            return Draft(self.events_dir, self.disk)
        except OSError as error:
            raise failed(error) from error

    def adopt(self, draft: Draft, first_seq: int) -> Position:
        """Make a draft the next segment, whole and durable, and return where it starts; StorageFailed."""
        assert self._locked, "adopt needs the lock"
        assert draft.size, "a segment has at least one line"
        path = self.events_dir / f"{first_seq:012d}.jsonl"
        try:
            draft.sync()
            last_line = draft.last_line()
            self.disk.rename(draft.path, path)
            self.disk.sync_folder(self.events_dir)
        except OSError as error:
            raise self._take_back(path, error) from error
        finally:
            draft.close()
        self._let_go()
        if self._paths:
            self.disk.seal(self._paths[-1])
        self._paths.append(path)
        self._tail, self._last_line = LogFile(first_seq, path, draft.size), last_line
        return position(len(self._paths) - 1, 0)

    def repair(self) -> str:
        """Move everything from the first bad line of the last segment to rejects/, and say what was done.

        Damaged when the bad line is in an earlier segment, covered by a published checkpoint, or no line but a segment
        that is missing: then nothing is touched.
        """
        assert self._locked
        try:
            covered, files = self._covered(), self._files()
            if files and not files[-1].size:
                _check_covered(files[-1].first_seq - 1, covered)
                self.disk.unlink(files[-1].path)
                self.disk.sync_folder(self.events_dir)
                return (
                    f"{files[-1].path.name} was empty and is removed; what it may have held is not in the log any more"
                )
            self._mended(covered)
            damage = self.first_damage()
            if damage is None:
                return self.repaired[-1] if self.repaired else "nothing is wrong with the lines of the log"
            where = f"{damage.file.path.name}, line {damage.line} (seq {damage.seq}): {damage.problem}"
            backup = "nothing was moved; bring the segment back from a backup"
            if damage.ordinal != len(self._paths) - 1:
                raise Damaged(where, why="only the end of the last segment can be moved away", hint=backup)
            if damage.file.first_seq != damage.seq and damage.line == 1:
                raise Damaged(where, why="the lines before it are missing, its own may be good", hint=backup)
            if damage.seq <= covered:
                raise Damaged(where, why=f"a published checkpoint covers seq 1 to {covered}", hint=backup)
            self._let_go()
            return f"{where}; {move_away(self.disk, damage.file, self.rejects_dir, 'damaged')}"
        except OSError as error:
            raise failed(error) from error

    # Inside.

    def _files(self) -> list[LogFile]:
        """The segments in order with the bytes they have; names of temporary and foreign files are passed over."""
        found = []
        self._drafts = []
        with os.scandir(self.events_dir) as entries:
            for entry in entries:
                if entry.name.startswith(DRAFT):
                    self._drafts.append(self.events_dir / entry.name)
                if entry.name.startswith(".") or not entry.name.endswith(".jsonl"):
                    continue
                about = entry.stat(follow_symlinks=False)
                if not _NAME.fullmatch(entry.name) or not stat.S_ISREG(about.st_mode):
                    raise Damaged(
                        f"events/{entry.name} is no segment of the log",
                        why="segments are plain files named by their first seq in 12 digits",
                        hint="move it out of events/",
                    )
                found.append(LogFile(int(entry.name[:12]), self.events_dir / entry.name, about.st_size))
        found.sort()
        if found and found[0].first_seq != 1:
            raise Damaged(
                f"the log begins with seq {found[0].first_seq}",
                why="the segments before it are missing",
                hint="bring them back from a backup",
            )
        self._paths = [file.path for file in found]
        return found

    def _first_gap(self, files: list[LogFile]) -> int | None:
        """Where the first segment is that does not begin with the seq after the one before it; None when all do."""
        for ordinal in range(1, len(files)):
            before, after = files[ordinal - 1], files[ordinal]
            if (before, after.first_seq) not in self._joined:
                if last_seq(before) != after.first_seq - 1:
                    return ordinal
                self._joined.add((before, after.first_seq))
        return None

    def _complete(self) -> list[LogFile]:
        """The segments up to the last newline of the log."""
        files = self._files()
        while files:
            first_seq, path, size = files[-1]
            size = complete_bytes(path, size)
            files[-1] = LogFile(first_seq, path, size)
            if size:
                break
            files.pop()
        return files

    def _reader(self, ordinal: int) -> tuple[int, Path]:
        """A descriptor that reads a segment, kept open; Damaged when there is none."""
        if ordinal >= len(self._paths):
            self._files()
        if ordinal >= len(self._paths):
            raise Damaged(f"the log has no segment {ordinal + 1}", hint=REPAIR)
        path = self._paths[ordinal]
        fd = self._readers.get(ordinal)
        if fd is None:
            if len(self._readers) >= 64:
                self._forget()
            fd = self._readers[ordinal] = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        return fd, path

    def _forget(self) -> None:
        """Close the descriptors that read: another writer may have replaced what they show."""
        for fd in self._readers.values():
            os.close(fd)
        self._readers.clear()

    def _acquire(self, wait: float) -> int:
        """A descriptor of the lock file that holds the lock."""
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise failed(error) from error
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return fd
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    raise Locked(
                        f"another command is writing into {self.path}",
                        why=f"it did not finish within {wait:g} s",
                        hint="try again, or give it more time with --wait SECONDS",
                    ) from None
                time.sleep(POLL_SECONDS)
            except OSError as error:
                os.close(fd)
                raise failed(error) from error

    def _open_tail(self, path: Path) -> int:
        """The descriptor that appends to the last segment during one hold of the lock."""
        if self._fd is None:
            self._fd = self.disk.open(path, os.O_RDWR | os.O_APPEND)
        return self._fd

    def _let_go(self) -> None:
        """Close the descriptor that appends."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self.disk.close(fd)

    def _sync_tail(self, fd: int, path: Path) -> None:
        """Sync the last segment and its name; after a failure nobody takes it for synced."""
        sync_or_mark(self.disk, fd, path)
        try:
            self.disk.sync_folder(self.events_dir)
        except OSError:
            self.disk.seal(path)
            raise

    def _write_anew(self, path: Path) -> None:
        """Put a copy in a segment's place: after a failed sync what is read may not be what the disk holds."""
        draft = Draft(self.events_dir, self.disk)
        try:
            with path.open("rb") as source:
                while block := source.read(BLOCK_BYTES):
                    draft.append(block)
            draft.sync()
            self.disk.rename(draft.path, path)
        finally:
            draft.close()

    def _begin(self, chunk: bytes, first_seq: int) -> Position:
        """Begin a segment with its first lines."""
        draft = self.draft()
        try:
            draft.append(chunk)
        except StorageFailed:
            draft.close()
            raise
        return self.adopt(draft, first_seq)

    def _take_back(self, path: Path, error: OSError) -> StorageFailed:
        """Remove a segment that was not born durably."""
        self.disk.seal(path)
        try:
            self.disk.unlink(path)
            self.disk.sync_folder(self.events_dir)
        except FileNotFoundError:
            return failed(error)
        except OSError as again:
            return failed(error, also=STAYS.format(again.strerror))
        return failed(error)

    def _undo(self, error: OSError) -> StorageFailed:
        """Cut the last segment back to what it was, through a new descriptor: a failed sync is not tried again."""
        path = self._tail.path
        try:
            self._let_go()
            fd = self._open_tail(path)
            self.disk.seal(path)
            self.disk.truncate(fd, self._tail.size)
            self.disk.sync(fd)
            self.disk.unseal(path)
        except OSError as again:
            self.disk.seal(path)
            return failed(error, also=STAYS.format(again.strerror))
        finally:
            self._let_go()
        return failed(error)

    def _covered(self) -> int:
        """The size of the greatest published checkpoint, by its name; 0 when there is none."""
        try:
            names = os.listdir(self.path / "checkpoints")
        except (FileNotFoundError, NotADirectoryError):
            return 0
        return max((int(name) for name in names if _CHECKPOINT.fullmatch(name)), default=0)

    def _mended(self, covered: int) -> list[LogFile]:
        """The segments, after dead drafts were removed and a last line that is not ended was ended or moved away."""
        files = self._files()
        for path in self._drafts:
            sweep_draft(path, self.disk)
        if files:
            tail = files[-1]
            size, end = line_ends(tail)
            if size != tail.size:
                self._let_go()
                if size != end:
                    self.repaired.append(end_line(self.disk, tail, end, self.rejects_dir))
                else:
                    before = last_seq(tail._replace(size=size)) if size else tail.first_seq - 1
                    if before is not None:  # else it is damaged too, which is told
                        _check_covered(before, covered)
                    moved = move_away(self.disk, tail._replace(size=size), self.rejects_dir, "torn")
                    self.repaired.append(f"the last line of the log was torn: {moved}")
                return self._files()
            if not size:
                raise Damaged(f"{tail.path.name} is empty", why="a segment has at least one line", hint=REPAIR)
        return files


def _check_covered(last_seq: int, covered: int) -> None:
    """Damaged when a log that ends there is shorter than what was published of it."""
    if last_seq < covered:
        raise Damaged(
            f"the log ends with seq {last_seq}, and a published checkpoint covers seq 1 to {covered}",
            why="events are missing from its end",
            hint="bring them back from a backup; if it is meant to end there, move the later checkpoints away",
        )


def _last(chunk: bytes) -> bytes:
    """The last line of complete lines."""
    return chunk[chunk.rfind(b"\n", 0, -1) + 1 : -1]


def _problem(line: bytes, seq: int) -> str:
    """What is wrong with the line due at `seq`, or nothing."""
    try:
        found = decode(line).seq
    except Damaged as damaged:
        return damaged.why
    return "" if found == seq else f"it says seq {found}, due is {seq}"
