"""The files of the log at the level of bytes, and the drafts: edges of blocks, flags of calls, and what is said."""

import errno
import fcntl
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger import disk as disk_module
from ledger import draft as draft_module
from ledger.disk import (
    BLOCK_BYTES,
    LINE_BYTES_MAX,
    REPAIR,
    Disk,
    Draft,
    LogFile,
    check_owner,
    complete_bytes,
    failed,
    line_at,
    line_before,
    newline_before,
    split_lines,
    sweep_draft,
)
from ledger.draft import DraftLines
from ledger.errors import Damaged, LedgerError, StorageFailed
from ledger.store import EventStore
from tests.test_store import line, names, segment, seqs

CUT = "the segment was cut or is damaged"


def words(error: LedgerError) -> tuple[str, str, str]:
    return error.what, error.why, error.hint


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[bytes], int]]:
    """Make a file with the given bytes and open it."""
    fds: list[int] = []

    def make(content: bytes) -> int:
        path = tmp_path / f"file-{len(fds)}"
        path.write_bytes(content)
        fds.append(os.open(path, os.O_RDONLY))
        return fds[-1]

    yield make
    for fd in fds:
        os.close(fd)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Keep what is read of files: how many bytes, from which offset."""
    kept: list[tuple[int, int]] = []
    pread = os.pread

    def reading(fd: int, count: int, offset: int) -> bytes:
        kept.append((count, offset))
        return pread(fd, count, offset)

    monkeypatch.setattr(os, "pread", reading)
    return kept


def descriptors() -> set[str]:
    return set(os.listdir("/dev/fd"))


# Calls.


def test_a_file_is_made_private_and_never_through_a_symlink(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        os.close(Disk().open(tmp_path / "new", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "new")
    file = LogFile(1, tmp_path / "link", 1)
    for act in (
        lambda: Disk().open(tmp_path / "link", os.O_WRONLY),
        lambda: complete_bytes(tmp_path / "link", 1),
        lambda: list(split_lines(file, 0)),
    ):
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ELOOP))):
            act()


def test_a_file_is_synced_as_far_as_the_platform_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[object, ...]] = []
    with (tmp_path / "file").open("wb") as file:
        monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(("fdatasync", fd)), raising=False)
        monkeypatch.setattr(disk_module, "fcntl", SimpleNamespace(fcntl=None))
        Disk().sync(file.fileno())
        macos = SimpleNamespace(F_FULLFSYNC=51, fcntl=lambda *about: synced.append(about))
        monkeypatch.setattr(disk_module, "fcntl", macos)
        Disk().sync(file.fileno())
        assert synced == [("fdatasync", file.fileno()), (file.fileno(), 51)]


def test_a_folder_is_synced_through_a_descriptor_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    before = descriptors()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
        Disk().sync_folder(tmp_path)
    assert synced == [tmp_path.stat().st_ino]
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        Disk().sync_folder(tmp_path / "file")
    assert descriptors() <= before


def test_sealing_and_closing_never_fail_but_unsealing_does(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    disk = Disk()
    disk.seal(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o400
    disk.unseal(tmp_path / "file")
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
    disk.seal(tmp_path / "missing")
    disk.close(-1)
    with pytest.raises(FileNotFoundError):
        disk.unseal(tmp_path / "missing")


def test_nothing_that_reads_keeps_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one\ntwo\n")
    file = LogFile(1, tmp_path / "file", 8)
    before = descriptors()
    assert complete_bytes(file.path, 8) == 8
    assert list(split_lines(file, 0)) == [b"one", b"two"]
    found = split_lines(file, 0)
    assert next(found) == b"one"
    found.close()  # type: ignore[attr-defined]
    assert descriptors() <= before


# Lines.


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 20479, 20480, 20481])
def test_a_line_of_any_length_is_found_from_both_its_ends(opened: Callable[[bytes], int], length: int) -> None:
    content = b"a" * 7 + b"\n" + b"b" * (length - 1) + b"\n" + b"c" * length
    fd, end = opened(content), 8 + length
    assert newline_before(fd, len(content)) == end
    assert newline_before(fd, end) == end
    assert newline_before(fd, end - 1) == 8
    assert newline_before(fd, 7) == newline_before(fd, 0) == 0
    assert line_before(fd, end, Path("s")) == line_at(fd, 8, Path("s")) == b"b" * (length - 1)
    assert line_before(fd, 8, Path("s")) == line_at(fd, 0, Path("s")) == b"a" * 7


def test_a_newline_at_the_very_beginning_is_found(opened: Callable[[bytes], int]) -> None:
    fd = opened(b"\nabc")
    assert [newline_before(fd, end) for end in (0, 1, 2, 4)] == [0, 1, 1, 1]


def test_a_file_without_newlines_is_read_backwards_in_growing_blocks(
    opened: Callable[[bytes], int], reads: list[tuple[int, int]]
) -> None:
    size = 4 << 20
    assert newline_before(opened(b"x" * size), size) == 0
    counts = [count for count, _ in reads]
    assert counts == [4096, 16384, 65536, 262144, BLOCK_BYTES, BLOCK_BYTES, BLOCK_BYTES, size - sum(counts[:-1])]
    assert [offset for _, offset in reads] == [size - sum(counts[: number + 1]) for number in range(len(counts))]


def test_a_line_is_read_in_growing_blocks_up_to_the_longest(
    opened: Callable[[bytes], int], reads: list[tuple[int, int]]
) -> None:
    fd = opened(b"\n" + b"x" * (LINE_BYTES_MAX - 1) + b"\n")
    assert line_at(fd, 1, Path("s")) == line_before(fd, 1 + LINE_BYTES_MAX, Path("s")) == b"x" * (LINE_BYTES_MAX - 1)
    assert reads[:4] == [(4096, 1), (65536, 1), (BLOCK_BYTES, 1), (LINE_BYTES_MAX, 1)]
    reads.clear()
    fd = opened(b"\n" + b"x" * LINE_BYTES_MAX + b"\n")
    with pytest.raises(Damaged, match="no line at byte 1"):
        line_at(fd, 1, Path("s"))
    with pytest.raises(Damaged, match="longer than any"):
        line_before(fd, 2 + LINE_BYTES_MAX, Path("s"))


def test_a_line_that_is_not_ended_is_not_looked_for_further(
    opened: Callable[[bytes], int], reads: list[tuple[int, int]]
) -> None:
    fd = opened(b"x" * 4095)
    with pytest.raises(Damaged):
        line_at(fd, 0, Path("s"))
    assert reads == [(4096, 0)]


def test_lines_are_split_the_same_whatever_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"one\n\nthree\nfour and more\n"
    whole = content.split(b"\n")[:-1]
    file = LogFile(1, tmp_path / "file", len(content))
    file.path.write_bytes(content + b"more\n")
    for size in range(1, len(content) + 2):
        monkeypatch.setattr(disk_module, "BLOCK_BYTES", size)
        assert list(split_lines(file, 0)) == whole
        assert list(split_lines(file, 5)) == whole[2:]
        assert list(split_lines(file._replace(size=8), 0)) == whole[:2]
        assert list(split_lines(file, len(content))) == []


def test_splitting_stops_where_a_line_grows_too_long_or_the_file_is_shorter_than_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(disk_module, "BLOCK_BYTES", 4)
    monkeypatch.setattr(disk_module, "LINE_BYTES_MAX", 8)
    file = LogFile(1, tmp_path / "file", 40)
    file.path.write_bytes(b"x" * 8 + b"\n" + b"y" * 30 + b"\n")
    assert list(split_lines(file, 0)) == [b"x" * 8]
    assert reads == [(4, 0), (4, 4), (4, 8), (4, 12), (4, 16)]
    reads.clear()
    assert list(split_lines(file._replace(size=9), 0)) == [b"x" * 8]
    assert reads == [(4, 0), (4, 4), (1, 8)]
    reads.clear()
    file.path.write_bytes(b"one\ntwo")
    assert list(split_lines(file, 0)) == [b"one"]
    assert reads == [(4, 0), (4, 4), (4, 7)]


# What is said.


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda fd: line_at(fd, 8, Path("in/s")), ("s: no line at byte 8", CUT, REPAIR)),
        (lambda fd: line_at(fd, 4, Path("in/s")), ("s: no line at byte 4", CUT, REPAIR)),
        (lambda fd: line_before(fd, 7, Path("in/s")), ("s: no line ends at byte 7", CUT, REPAIR)),
        (lambda fd: line_before(fd, 20, Path("in/s")), ("s: no line ends at byte 20", CUT, REPAIR)),
        (
            lambda fd: line_before(fd, 4 + LINE_BYTES_MAX + 1, Path("in/s")),
            ("s: a line is longer than any line can be", "the segment is damaged", REPAIR),
        ),
    ],
)
def test_a_line_that_is_not_there_is_said_with_its_place(
    opened: Callable[[bytes], int], act: Callable[[int], object], said: tuple[str, str, str]
) -> None:
    fd = opened(b"one\nabcd")
    with pytest.raises(Damaged) as damaged:
        act(fd)
    assert words(damaged.value) == said


def test_a_line_that_was_cut_after_its_newline_is_not_taken_for_whole(opened: Callable[[bytes], int]) -> None:
    fd = opened(b"one\ntwo\n")
    with pytest.raises(Damaged, match="no line ends at byte 9"):
        line_before(fd, 9, Path("s"))


def test_a_disk_that_did_not_take_it_is_said_with_what_is_left_of_it() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    hint = "make room or check the disk and its permissions, then do it again"
    what = "the disk did not take it: No space left on device"
    assert words(failed(error)) == (what, "nothing of this batch was recorded", hint)
    assert words(failed(error, also="; but")) == (what, "nothing of this batch was recorded; but", hint)


def test_a_folder_that_is_no_ledger_or_not_mine_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing, file, link = tmp_path / "missing", tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to(missing)
    for path in (missing, link):
        with pytest.raises(Damaged) as damaged:
            check_owner(path)
        said = (f"{path} is no ledger", "No such file or directory", "`orderledger init` makes one")
        assert words(damaged.value) == said
    not_mine = "a ledger belongs to one user", "use --ledger DIR"
    with pytest.raises(Damaged) as damaged:
        check_owner(file)
    assert words(damaged.value) == (f"{file} is not yours", *not_mine)
    link.unlink()
    link.symlink_to(tmp_path)
    check_owner(link)
    lstat = os.lstat
    somebody = SimpleNamespace(st_uid=os.geteuid() + 1)
    monkeypatch.setattr(os, "lstat", lambda path: somebody if path == link else lstat(path))
    with pytest.raises(Damaged) as damaged:
        check_owner(link)
    assert words(damaged.value) == (f"{link} is not yours", *not_mine)


def test_an_error_without_words_leaves_the_reason_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> os.stat_result:
        raise OSError

    monkeypatch.setattr(os, "lstat", refuse)
    with pytest.raises(Damaged) as damaged:
        check_owner(tmp_path)
    assert damaged.value.why == ""


# Drafts.


def test_drafts_have_names_of_their_own_and_say_where_each_chunk_begins(tmp_path: Path) -> None:
    drafts = [Draft(tmp_path, Disk()), Draft(tmp_path, Disk())]
    found = [re.fullmatch(r"\.draft-(\d+)-(\d+)\.tmp", draft.path.name) for draft in drafts]
    assert [match and int(match[1]) for match in found] == [os.getpid()] * 2
    first, second = (int(match[2]) for match in found if match)
    assert second == first + 1
    draft = drafts[0]
    with pytest.raises(Damaged) as damaged:
        draft.last_line()
    assert words(damaged.value) == (f"{draft.path.name}: no line ends at byte 0", CUT, REPAIR)
    assert [draft.append(chunk) for chunk in (b"one\n", b"two\nthree\n", b"four\n")] == [0, 4, 14]
    assert [draft.read_line(offset) for offset in (0, 4, 8, 14)] == [b"one", b"two", b"three", b"four"]
    assert (draft.size, draft.last_line(), draft.path.read_bytes()) == (19, b"four", b"one\ntwo\nthree\nfour\n")
    with pytest.raises(Damaged) as damaged:
        draft.read_line(19)
    assert words(damaged.value) == (f"{draft.path.name}: no line at byte 19", CUT, REPAIR)
    for draft in drafts:
        draft.close()
    assert names(tmp_path) == []


def test_a_draft_is_swept_when_its_maker_is_gone_and_not_before(tmp_path: Path) -> None:
    draft = Draft(tmp_path, Disk())
    before = descriptors()
    sweep_draft(draft.path, Disk())
    assert draft.path.exists()
    left = tmp_path / ".draft-1-1.tmp"
    left.write_bytes(b"one\n")
    left.chmod(0o400)
    sweep_draft(left, Disk())
    assert names(tmp_path) == [draft.path.name]
    assert descriptors() <= before
    draft.close()


class Sweeping(Disk):
    """A disk on which another process sweeps a draft before its maker has locked it, the given number of times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.flags: list[int] = []
        self.closed = 0

    def open(self, path: Path, flags: int) -> int:
        self.flags.append(flags)
        fd = super().open(path, flags)
        if self.times:
            self.times -= 1
            sweep_draft(path, Disk())
        return fd

    def close(self, fd: int) -> None:
        self.closed += 1
        super().close(fd)


def test_a_draft_that_was_swept_before_it_was_locked_is_made_again(tmp_path: Path) -> None:
    before = descriptors()
    disk = Sweeping(2)
    draft = Draft(tmp_path, disk)
    assert len(disk.flags) == 3
    assert len(descriptors() - before) == 1
    draft.append(b"one\n")
    assert draft.path.read_bytes() == b"one\n"
    sweep_draft(draft.path, Disk())
    assert draft.path.exists()
    draft.close()
    draft.close()
    assert disk.closed == 3
    assert names(tmp_path) == []
    assert descriptors() <= before


def test_a_draft_takes_nothing_over_from_one_of_its_name(tmp_path: Path) -> None:
    before = Draft(tmp_path, Disk())
    before.close()
    number = int(before.path.stem.rpartition("-")[2]) + 1
    left = tmp_path / f".draft-{os.getpid()}-{number}.tmp"
    left.write_bytes(b"left by a killed process that had this one's id")
    draft = Draft(tmp_path, Disk())
    assert draft.path == left
    draft.append(b"one\n")
    assert draft.last_line() == b"one"
    assert draft.path.read_bytes() == b"one\n"
    draft.close()


def test_a_draft_of_a_process_without_stdin_is_dropped_too(tmp_path: Path) -> None:
    class Lowest(Disk):
        def open(self, path: Path, flags: int) -> int:
            fd = super().open(path, flags)
            os.dup2(fd, 0)
            os.close(fd)
            return 0

    stdin = os.dup(0)
    try:
        Draft(tmp_path, Lowest()).close()
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.EBADF))):
            os.fstat(0)
    finally:
        os.dup2(stdin, 0)
        os.close(stdin)
    assert names(tmp_path) == []


def test_a_draft_that_the_disk_does_not_take_says_so_and_is_dropped_all_the_same(tmp_path: Path) -> None:
    class Full(Disk):
        def write(self, fd: int, data: memoryview) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        def unlink(self, path: Path) -> None:
            raise OSError(errno.EIO, "Input/output error")

    draft = Draft(tmp_path, Full())
    with pytest.raises(StorageFailed) as refused:
        draft.append(b"one\n")
    assert words(refused.value) == words(failed(OSError(errno.ENOSPC, "No space left on device")))
    assert draft.size == 0
    draft.close()
    sweep_draft(draft.path, Disk())
    assert names(tmp_path) == []


# Lines decided beside the log.


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EventStore:
    (tmp_path / "ledger" / "events").mkdir(parents=True)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return EventStore(tmp_path / "ledger")


def test_lines_aside_are_found_by_their_order_and_kept_in_the_order_they_came_in(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(draft_module, "KEEP_LINES", 2)
    aside = DraftLines(store, 1)
    aside.append(["b", "a"], [line(1), line(2)])
    aside.append(["b"], [line(3)])
    aside.append(["a", "b"], [line(4), line(5)])
    assert [found.seq for found in aside.lines_of("b")] == [1, 3, 5]
    assert [found.seq for found in aside.lines_of("a")] == [2, 4]
    assert aside.lines_of("c") == []
    assert names(Path.cwd()) == names(store.events_dir) == []
    with store.lock(0):
        store.ready()
        aside.keep()
    assert segment(store).read_bytes() == b"".join(line(seq) for seq in range(1, 6))
    assert names(store.events_dir) == ["000000000001.jsonl"]
    aside.close()
    with pytest.raises(sqlite3.ProgrammingError):
        aside.lines_of("a")


def test_no_lines_aside_make_no_segment(store: EventStore) -> None:
    aside = DraftLines(store, 1)
    with store.lock(0):
        store.ready()
        aside.keep()
    assert names(store.events_dir) == []
    aside.close()


def test_lines_aside_that_go_with_no_order_are_refused(store: EventStore) -> None:
    aside = DraftLines(store, 1)
    with pytest.raises(ValueError, match="shorter"):
        aside.append(["a", "b"], [line(1)])
    aside.close()


def test_lines_aside_that_the_log_does_not_take_leave_no_draft(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(draft: Draft, first_seq: int) -> int:
        raise failed(OSError(errno.EIO, os.strerror(errno.EIO)))

    aside = DraftLines(store, 1)
    aside.append(["a"], [line(1)])
    monkeypatch.setattr(store, "adopt", refuse)
    before = descriptors()
    with store.lock(0), pytest.raises(StorageFailed):
        aside.keep()
    assert names(store.events_dir) == []
    assert descriptors() <= before
    monkeypatch.undo()
    with store.lock(0):
        store.ready()
        aside.keep()
    assert seqs(store) == [1]
    aside.close()


def test_lines_that_find_no_room_aside_are_said_to_be_not_recorded(store: EventStore) -> None:
    aside = DraftLines(store, 1)
    aside._db.execute("PRAGMA max_page_count = 5")
    with pytest.raises(StorageFailed) as refused:
        aside.append(["a"] * 1000, [line(seq) for seq in range(1000)])
    assert words(refused.value) == (
        "the lines cannot be kept aside: database or disk is full",
        "nothing was recorded",
        "give $TMPDIR more room",
    )
    aside.close()


def test_another_error_beside_the_log_is_not_taken_for_a_full_disk(store: EventStore) -> None:
    aside = DraftLines(store, 1)
    aside.close()
    with pytest.raises(sqlite3.ProgrammingError):
        aside.append(["a"], [line(1)])


def test_the_lock_that_shows_that_a_draft_is_alive_is_its_own(tmp_path: Path) -> None:
    """An exclusive lock: whoever sweeps asks for one, and a shared one is refused as well."""
    draft = Draft(tmp_path, Disk())
    with draft.path.open("rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    draft.close()
