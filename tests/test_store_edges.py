"""The store's edges: what exactly it does to the disk and in which order, and what it says, word by word."""

import errno
import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger import mending
from ledger import store as store_module
from ledger.disk import DRAFT, LINE_BYTES_MAX, REPAIR, Disk, LogFile
from ledger.errors import Damaged, LedgerError, Locked, StorageFailed
from ledger.segments import last_seq, position
from ledger.store import EventStore
from tests.test_store import T0, append, line, names, repair, segment, seqs

SIZE = len(line(1))
FIRST = "000000000001.jsonl"
BACKUP = "nothing was moved; bring the segment back from a backup"
AGAIN = "make room or check the disk and its permissions, then do it again"
NOT_RECORDED = "nothing of this batch was recorded"
OPEN_DRAFT = "open draft RDWR CREAT TRUNC APPEND"
DROP_DRAFT = ["close draft", "unlink draft"]


class Telling(Disk):
    """A disk that tells each call with what it was about, in short names, and fails those it is told to, once."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.failing: list[tuple[str, int]] = []
        self._names: dict[int, str] = {}

    def _tell(self, *about: object) -> None:
        call = " ".join(map(str, about))
        self.told.append(call)
        for failure in self.failing:
            if failure[0] == call:
                self.failing.remove(failure)
                raise OSError(failure[1], os.strerror(failure[1]))

    def open(self, path: Path, flags: int) -> int:
        words = [name for name in ("RDWR", "WRONLY", "CREAT", "EXCL", "TRUNC", "APPEND") if flags & FLAGS[name]]
        self._tell("open", short(path), *words)
        fd = super().open(path, flags)
        self._names[fd] = short(path)
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        self._tell("write", self._names[fd])
        return super().write(fd, data)

    def sync(self, fd: int) -> None:
        self._tell("sync", self._names[fd])
        super().sync(fd)

    def sync_folder(self, path: Path) -> None:
        self._tell("sync", f"{path.name if path.name in {'events', 'rejects'} else '.'}/")
        super().sync_folder(path)

    def truncate(self, fd: int, size: int) -> None:
        self._tell("cut", self._names[fd], size)
        super().truncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self._tell("rename", short(old), short(new))
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        self._tell("unlink", short(path))
        super().unlink(path)

    def seal(self, path: Path) -> None:
        self._tell("seal", short(path))
        super().seal(path)

    def unseal(self, path: Path) -> None:
        self._tell("unseal", short(path))
        super().unseal(path)

    def close(self, fd: int) -> None:
        self._tell("close", self._names.pop(fd, "lock"))
        super().close(fd)


FLAGS = {name: getattr(os, f"O_{name}") for name in ("RDWR", "WRONLY", "CREAT", "EXCL", "TRUNC", "APPEND")}


def short(path: Path) -> str:
    """Give a segment the name `1` if its first seq is 1, and a draft no number."""
    return "draft" if path.name.startswith(DRAFT) else re.sub(r"^0+([0-9]+)\.jsonl$", r"\1", path.name)


@pytest.fixture
def disk() -> Telling:
    return Telling()


@pytest.fixture
def store(tmp_path: Path, disk: Telling) -> EventStore:
    """A store whose segments hold two lines."""
    (tmp_path / "events").mkdir()
    return EventStore(tmp_path, segment_bytes=2 * SIZE, disk=disk)


def told(disk: Telling, act: Callable[[], object]) -> list[str]:
    """Give what the disk was told during an act, but for the lock."""
    disk.told.clear()
    act()
    assert disk.told.pop() == "close lock"
    return disk.told


def add(store: EventStore, content: bytes, first_seq: int = 1) -> None:
    """Add bytes to a segment behind the store's back."""
    with segment(store, first_seq).open("ab") as file:
        file.write(content)


def write(store: EventStore, first_seq: int, content: bytes) -> None:
    """Put a segment there behind the store's back."""
    segment(store, first_seq).write_bytes(content)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def ready(store: EventStore) -> None:
    with store.lock(0):
        store.ready()


def words(error: LedgerError) -> tuple[str, str, str]:
    return error.what, error.why, error.hint


# What is done to the disk, and in which order.


def test_a_segment_holds_64_mib_unless_told_otherwise(store: EventStore) -> None:
    assert (EventStore(store.path).segment_bytes, store.segment_bytes) == (64 << 20, 2 * SIZE)


def test_the_first_lines_are_synced_under_another_name_and_then_their_name_is(store: EventStore, disk: Telling) -> None:
    assert told(disk, lambda: append(store, 1)) == [
        *[OPEN_DRAFT, "write draft", "sync draft", "rename draft 1", "sync events/"],
        *DROP_DRAFT,
    ]


def test_further_lines_are_written_and_synced_and_nothing_else(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    assert told(disk, lambda: append(store, 2)) == ["open 1 RDWR APPEND", "write 1", "sync 1", "close 1"]


def test_a_segment_that_is_full_is_sealed_when_the_next_one_is_there(store: EventStore, disk: Telling) -> None:
    append(store, 1, 2)
    assert told(disk, lambda: append(store, 3)) == [
        "open 1 RDWR APPEND",
        *[OPEN_DRAFT, "write draft", "sync draft", "rename draft 3", "sync events/"],
        *DROP_DRAFT,
        *["close 1", "seal 1"],
    ]


def test_lines_of_another_writer_are_synced_with_their_name_once(store: EventStore, disk: Telling) -> None:
    append(EventStore(store.path), 1)
    synced = ["open 1 RDWR APPEND", "sync 1", "sync events/", "close 1"]
    assert told(disk, lambda: ready(store)) == synced
    assert told(disk, lambda: ready(store)) == ["open 1 RDWR APPEND", "close 1"]
    append(EventStore(store.path), 2)
    assert told(disk, lambda: ready(store)) == synced


@pytest.mark.parametrize("chunks", [[[1]], [[1, 2, 3]], [[1], [2]], [[1], [2, 3, 4]]], ids=str)
def test_lines_that_this_writer_synced_itself_are_not_synced_again(
    store: EventStore, disk: Telling, chunks: list[list[int]]
) -> None:
    store.segment_bytes = 9 * SIZE
    for chunk in chunks:
        append(store, *chunk)
    assert told(disk, lambda: ready(store)) == ["open 1 RDWR APPEND", "close 1"]


def test_a_log_that_was_emptied_and_begun_anew_is_synced_whatever_was_known_of_it(
    store: EventStore, disk: Telling
) -> None:
    append(store, 1)
    kept = segment(store).read_bytes()
    segment(store).unlink()
    ready(store)
    write(store, 1, kept)
    assert "sync 1" in told(disk, lambda: ready(store))


def test_a_sealed_last_segment_is_replaced_by_a_synced_copy(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    segment(store).chmod(0o400)
    assert told(disk, lambda: ready(store)) == [
        *[OPEN_DRAFT, "write draft", "sync draft", "rename draft 1"],
        *DROP_DRAFT,
        *["open 1 RDWR APPEND", "sync 1", "sync events/", "close 1"],
    ]


def test_a_copy_is_made_block_by_block(store: EventStore, disk: Telling, monkeypatch: pytest.MonkeyPatch) -> None:
    append(store, 1)
    append(store, 2)
    segment(store).chmod(0o400)
    monkeypatch.setattr(store_module, "BLOCK_BYTES", SIZE)
    assert told(disk, lambda: ready(store)).count("write draft") == 2
    assert segment(store).read_bytes() == line(1) + line(2)


COPY = ["write {0}", "sync {0}", "close {0}", "sync rejects/", "sync ./"]


def moved(name: str) -> list[str]:
    """Give what the disk is told when the end of the first segment is copied to a new file in rejects/."""
    return [
        *["unseal 1", "open 1 RDWR", f"open {name} WRONLY CREAT EXCL"],
        *[call.format(name) for call in COPY],
    ]


def test_a_torn_end_is_cut_when_its_copy_and_the_names_of_that_are_synced(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    add(store, b"torn")
    assert told(disk, lambda: ready(store)) == [
        *moved(f"torn-000000000001-{SIZE}"),
        *[f"cut 1 {SIZE}", "sync 1", "close 1"],
        *["open 1 RDWR APPEND", "close 1"],
    ]


def test_a_torn_end_of_a_sealed_segment_leaves_it_sealed_until_it_is_written_anew(
    store: EventStore, disk: Telling
) -> None:
    append(store, 1)
    add(store, b"torn")
    segment(store).chmod(0o400)
    calls = told(disk, lambda: ready(store))
    assert calls[:3] == ["unseal 1", "open 1 RDWR", "seal 1"]
    assert calls[9:16] == [
        *[f"cut 1 {SIZE}", "sync 1", "close 1"],
        *[OPEN_DRAFT, "write draft", "sync draft", "rename draft 1"],
    ]
    assert (segment(store).read_bytes(), mode(segment(store))) == (line(1), 0o600)


def test_a_segment_of_which_nothing_is_kept_loses_its_name(store: EventStore, disk: Telling) -> None:
    write(store, 1, b"torn")
    assert told(disk, lambda: ready(store)) == [
        *moved("torn-000000000001-0"),
        *["close 1", "unlink 1", "sync events/"],
    ]
    assert (store.rejects_dir / "torn-000000000001-0").read_bytes() == b"torn"


def test_a_segment_that_was_open_is_let_go_before_its_end_is_moved_away(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    with store.lock(0):
        store.ready()
        add(store, b"torn")
        disk.told.clear()
        store.ready()
        assert disk.told[:3] == ["close 1", "unseal 1", "open 1 RDWR"]


def test_what_is_moved_away_is_copied_whole_and_never_over_another(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mending, "BLOCK_BYTES", 4)
    append(store, 1)
    bad = b"first\nsecond\nthird"
    name = f"torn-000000000001-{SIZE}"
    for ending in ("", "-again", "-again-again"):
        add(store, bad[-5:])
        ready(store)
        assert store.repaired.pop() == f"the last line of the log was torn: 5 bytes moved to rejects/{name}{ending}"
        assert (store.rejects_dir / f"{name}{ending}").read_bytes() == b"third"
    add(store, bad + b"\n")
    name = f"damaged-000000000001-{SIZE}"
    assert repair(store).endswith(f"; 3 lines ({len(bad) + 1} bytes) moved to rejects/{name}")
    assert (store.rejects_dir / name).read_bytes() == bad + b"\n"
    add(store, b"bad\n")
    assert repair(store).endswith(f"; 1 line (4 bytes) moved to rejects/{name}-again")


def test_what_is_made_is_closed_to_others_whatever_the_umask(store: EventStore) -> None:
    before = os.umask(0)
    try:
        append(store, 1)
        draft = store.draft()
        assert mode(draft.path) == 0o600
        draft.close()
        add(store, b"torn")
        ready(store)
    finally:
        os.umask(before)
    (rejected,) = store.rejects_dir.iterdir()
    assert mode(store.rejects_dir) == 0o700
    assert [mode(path) for path in (segment(store), rejected, store.path / "lock")] == [0o600] * 3


# What is done when the disk fails.

FAILED = ("the disk did not take it: Input/output error", NOT_RECORDED, AGAIN)
STAYED = f"{NOT_RECORDED}; taking it back failed too (No space left on device), so lines of it may be in the log"


def fails(store: EventStore, disk: Telling, seq: int, *failing: tuple[str, int]) -> tuple[str, str, str]:
    """Append a line on a disk that fails, and give the error's words; `told` begins after `ready`."""
    with store.lock(0):
        store.ready()
        disk.told.clear()
        disk.failing = list(failing)
        with pytest.raises(StorageFailed) as failed:
            store.append(line(seq), seq, seq)
    assert disk.failing == []
    return words(failed.value)


def test_an_append_is_taken_back_through_a_new_descriptor_behind_a_seal(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    assert fails(store, disk, 2, ("sync 1", errno.EIO)) == FAILED
    assert disk.told == [
        *["write 1", "sync 1", "close 1"],
        *["open 1 RDWR APPEND", "seal 1", f"cut 1 {SIZE}", "sync 1", "unseal 1", "close 1", "close lock"],
    ]
    assert (segment(store).read_bytes(), mode(segment(store))) == (line(1), 0o600)
    assert told(disk, lambda: append(store, 2)) == ["open 1 RDWR APPEND", "write 1", "sync 1", "close 1"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sync 1", "open 1 RDWR APPEND"),
        ("sync 1", f"cut 1 {SIZE}"),
        ("write 1", "sync 1"),
        ("sync 1", "unseal 1"),
    ],
)
def test_an_append_that_cannot_be_taken_back_leaves_the_segment_sealed(
    store: EventStore, disk: Telling, first: str, second: str
) -> None:
    append(store, 1)
    said = fails(store, disk, 2, (first, errno.EIO), (second, errno.ENOSPC))
    assert said == (FAILED[0], STAYED, AGAIN)
    assert "seal 1" in disk.told[disk.told.index(second, disk.told.index(first)) :]
    assert mode(segment(store)) == 0o400
    assert disk.told[-1] == "close lock"
    assert not disk._names


@pytest.mark.parametrize(
    ("call", "calls"),
    [
        ("write draft", []),
        ("sync draft", ["seal 3", "unlink 3"]),
        ("rename draft 3", ["seal 3", "unlink 3"]),
        ("sync events/", ["seal 3", "unlink 3", "sync events/"]),
    ],
)
def test_a_segment_that_fails_to_be_born_is_taken_back(
    store: EventStore, disk: Telling, call: str, calls: list[str]
) -> None:
    append(store, 1, 2)
    assert fails(store, disk, 3, (call, errno.EIO)) == FAILED
    assert disk.told[disk.told.index(call) + 1 :] == [*calls, *DROP_DRAFT, "close 1", "close lock"]
    assert names(store.events_dir) == [FIRST]


@pytest.mark.parametrize("again", ["unlink 3", "sync events/"])
def test_a_segment_that_cannot_be_taken_back_is_left_sealed_or_said_to_be(
    store: EventStore, disk: Telling, again: str
) -> None:
    append(store, 1, 2)
    said = fails(store, disk, 3, ("sync events/", errno.EIO), (again, errno.ENOSPC))
    assert said == (FAILED[0], STAYED, AGAIN)
    assert segment(store, 3).exists() == (again == "unlink 3")
    if again == "unlink 3":
        assert mode(segment(store, 3)) == 0o400


@pytest.mark.parametrize("call", ["sync 1", "sync events/"])
def test_lines_of_another_writer_that_cannot_be_synced_are_sealed(store: EventStore, disk: Telling, call: str) -> None:
    append(EventStore(store.path), 1)
    disk.failing = [(call, errno.EIO)]
    with pytest.raises(StorageFailed) as failed:
        ready(store)
    assert words(failed.value) == FAILED
    assert disk.told[disk.told.index(call) + 1 :] == ["seal 1", "close 1", "close lock"]
    assert mode(segment(store)) == 0o400


@pytest.mark.parametrize("call", ["open 1 RDWR", f"cut 1 {SIZE}", "sync 1"])
def test_a_sealed_segment_whose_end_cannot_be_moved_away_stays_sealed(
    store: EventStore, disk: Telling, call: str
) -> None:
    append(store, 1)
    add(store, b"torn")
    segment(store).chmod(0o400)
    disk.failing = [(call, errno.EIO)]
    with pytest.raises(StorageFailed):
        ready(store)
    assert mode(segment(store)) == 0o400


def test_a_newline_that_cannot_be_synced_leaves_the_segment_sealed(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    add(store, line(2)[:-1])
    disk.failing = [("sync 1", errno.EIO)]
    with pytest.raises(StorageFailed) as failed:
        ready(store)
    assert words(failed.value) == FAILED
    assert disk.told[-3:] == ["seal 1", "close 1", "close lock"]
    assert (mode(segment(store)), seqs(store)) == (0o400, [1, 2])


def test_a_copy_that_fails_is_dropped_and_the_segment_stays_as_it_was(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    segment(store).chmod(0o400)
    for call in ("write draft", "sync draft", "rename draft 1"):
        disk.failing = [(call, errno.EIO)]
        with pytest.raises(StorageFailed) as failed:
            ready(store)
        assert words(failed.value) == FAILED
        assert (names(store.events_dir), mode(segment(store))) == ([FIRST], 0o400)
    assert not disk._names


def test_a_repair_that_fails_closes_what_it_opened(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    add(store, b"bad\n")
    name = f"damaged-000000000001-{SIZE}"
    disk.failing = [(f"write {name}", errno.EIO)]
    with pytest.raises(StorageFailed) as failed:
        repair(store)
    assert words(failed.value) == FAILED
    assert disk.told[-3:] == [f"close {name}", "close 1", "close lock"]


def test_a_descriptor_that_cannot_be_had_is_storage_that_failed(
    store: EventStore, disk: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = set(os.listdir("/dev/fd"))
    with pytest.raises(StorageFailed) as failed, store.lock(0):
        pass
    assert words(failed.value) == FAILED
    assert set(os.listdir("/dev/fd")) <= before


# The lock.


class Clock:
    """A clock that only goes on when somebody sleeps, and keeps for how long they did."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return 100 + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.mark.parametrize(("wait", "naps"), [(0, 0), (0.5, 2), (0.6, 3)])
def test_a_lock_is_asked_for_again_until_the_time_is_over(
    store: EventStore, monkeypatch: pytest.MonkeyPatch, wait: float, naps: int
) -> None:
    clock = Clock()
    monkeypatch.setattr(store_module, "time", clock)
    monkeypatch.setattr(store_module, "POLL_SECONDS", 0.25)
    before = set(os.listdir("/dev/fd"))
    with store.lock(0):
        with pytest.raises(Locked) as locked, EventStore(store.path).lock(wait):
            pass
        assert clock.slept == [0.25] * naps
    assert set(os.listdir("/dev/fd")) <= before
    assert words(locked.value) == (
        f"another command is writing into {store.path}",
        f"it did not finish within {wait:g} s",
        "try again, or give it more time with --wait SECONDS",
    )


def test_a_lock_cannot_be_taken_twice_and_is_free_again_after_an_error(store: EventStore) -> None:
    with store.lock(0), pytest.raises(AssertionError), store.lock(0):
        pass
    with pytest.raises(ZeroDivisionError), store.lock(0):
        raise ZeroDivisionError
    for act in (store.ready, store.repair):
        with pytest.raises(AssertionError):
            act()
    append(store, 1)


def test_a_lock_file_that_leads_elsewhere_is_refused(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (store.path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageFailed, match=re.escape(os.strerror(errno.ELOOP))), store.lock(0):
        pass


def test_who_appends_without_the_lock_or_half_lines_is_told_so(store: EventStore) -> None:
    draft = store.draft()
    with pytest.raises(AssertionError, match=r"^append needs the lock$"):
        store.append(line(1), 1, 1)
    with pytest.raises(AssertionError, match=r"^adopt needs the lock$"):
        store.adopt(draft, 1)
    with store.lock(0):
        store.ready()
        with pytest.raises(AssertionError, match=r"^append takes complete lines$"):
            store.append(line(1)[:-1], 1, 1)
        with pytest.raises(AssertionError, match=r"^a chunk has at least one line$"):
            store.append(line(1), 2, 1)
        with pytest.raises(AssertionError, match=r"^a segment has at least one line$"):
            store.adopt(draft, 1)
    draft.close()


def test_who_takes_the_lock_reads_what_another_put_in_place_of_a_segment(store: EventStore) -> None:
    append(store, 1)
    assert store.read_line(0) == line(1)[:-1]
    (store.path / "other").write_bytes(line(1, "other") + line(2))
    os.rename(store.path / "other", segment(store))
    with store.lock(0):
        assert store.read_line(0) == line(1, "other")[:-1]


# Reading.


def test_the_end_is_told_without_a_lock(store: EventStore) -> None:
    assert store.end() == (0, None, 0)
    append(store, 1, 2)
    append(store, 3)
    add(store, line(4)[:-1], 3)
    with store.lock(0):
        assert EventStore(store.path).end() == (3, T0, position(1, SIZE))


def test_where_ready_says_the_log_ends_is_where_the_next_line_starts(store: EventStore) -> None:
    append(store, 1, 2)
    append(store, 3)
    with store.lock(0):
        end = store.ready()
        assert (end.seq, end.recorded_at, end.position) == (3, T0, position(1, SIZE))
        assert store.append(line(4), 4, 4) == end.position


def test_lines_are_read_from_a_position_up_to_where_a_snapshot_was(store: EventStore) -> None:
    append(store, 1, 2)
    append(store, 3)
    before = store.snapshot()
    append(store, 4)
    append(store, 5)
    places = [position(0, 0), position(0, SIZE), position(1, 0), position(1, SIZE), position(2, 0)]
    whole = list(zip(places, (line(seq)[:-1] for seq in range(1, 6)), strict=True))
    for number, place in enumerate(places):
        assert list(store.lines(place)) == whole[number:]
    assert list(store.lines(SIZE, before)) == whole[1:3]
    assert list(store.lines(store.snapshot().end)) == []


def test_only_what_ends_with_a_newline_counts_in_however_many_segments(store: EventStore) -> None:
    append(store, 1, 2)
    write(store, 3, line(3)[:-1])
    write(store, 4, b"")
    assert [(file.first_seq, file.size) for file in store.snapshot().files] == [(1, 2 * SIZE)]
    assert store.end().seq == 2


def test_segments_are_found_in_whatever_order_the_folder_gives_its_names(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in (1, 3, 5):
        append(store, seq, seq + 1)
    for name in (".x.jsonl", "0.txt", "notes.txt"):
        (store.events_dir / name).touch()
    scandir = os.scandir
    for backwards in (False, True):

        @contextmanager
        def in_order(path: Path, backwards: bool = backwards) -> Iterator[list[os.DirEntry[str]]]:
            with scandir(path) as entries:
                yield sorted(entries, key=lambda entry: entry.name, reverse=backwards)

        monkeypatch.setattr(os, "scandir", in_order)
        assert [file.first_seq for file in store.snapshot().files] == [1, 3, 5]


def test_segments_that_are_known_to_follow_are_not_opened_again_for_it(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seq in (1, 3, 5):
        append(store, seq, seq + 1)
    fresh = EventStore(store.path)
    asked: list[int] = []

    def asking(file: LogFile) -> int | None:
        asked.append(file.first_seq)
        return last_seq(file)

    monkeypatch.setattr(store_module, "last_seq", asking)
    fresh.snapshot()
    fresh.snapshot()
    assert asked == [1, 3]


def test_descriptors_that_read_are_kept_up_to_64_and_then_let_go(tmp_path: Path, store: EventStore) -> None:
    for seq in range(1, 67):
        write(store, seq, line(seq))
    before = set(os.listdir("/dev/fd"))
    for seq in [*range(1, 65), 1, 64]:
        store.read_line(position(seq - 1, 0))
    assert len(store._readers) == 64
    store.read_line(position(64, 0))
    assert len(store._readers) == 1
    store._forget()
    assert set(os.listdir("/dev/fd")) <= before


def test_a_segment_that_became_a_symlink_is_not_read(store: EventStore, tmp_path: Path) -> None:
    append(store, 1)
    snapshot = store.snapshot()
    segment(store).rename(tmp_path / "elsewhere")
    segment(store).symlink_to(tmp_path / "elsewhere")
    for read in (lambda: store.read_line(0), lambda: list(store.lines(0, snapshot))):
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ELOOP))):
            read()


# What is said of damage, word by word.


NO_SEGMENT = "segments are plain files named by their first seq in 12 digits"
MISSING = ("lines before seq 4 are missing", "bring the missing segments back from a backup")

DAMAGES: dict[str, tuple[dict[str, bytes], Callable[[EventStore], object], tuple[str, str, str]]] = {
    "foreign": (
        {"backup.jsonl": line(1)},
        EventStore.snapshot,
        ("events/backup.jsonl is no segment of the log", NO_SEGMENT, "move it out of events/"),
    ),
    "no beginning": (
        {"000000000003.jsonl": line(3)},
        EventStore.snapshot,
        ("the log begins with seq 3", "the segments before it are missing", "bring them back from a backup"),
    ),
    "no such segment": (
        {FIRST: line(1)},
        lambda store: store.read_line(position(1, 0)),
        ("the log has no segment 2", "", REPAIR),
    ),
    "not ended": (
        {FIRST: line(1) + line(2)[:-9], "000000000003.jsonl": line(3)},
        lambda store: list(store.lines(0, store.snapshot()._replace(files=tuple(store._files())))),
        (f"{FIRST}: a line is not ended", "the segment was cut", REPAIR),
    ),
    "gap, lines": (
        {FIRST: line(1), "000000000004.jsonl": line(4)},
        lambda store: list(store.lines()),
        ("the log is damaged: 000000000004.jsonl does not follow on the segment before it", *MISSING),
    ),
    "gap, end": (
        {FIRST: line(1), "000000000004.jsonl": line(4)},
        EventStore.end,
        ("the log is damaged: 000000000004.jsonl does not follow on the segment before it", *MISSING),
    ),
    "gap, ready": (
        {FIRST: line(1), "000000000004.jsonl": line(4)},
        ready,
        ("the log is damaged: 000000000004.jsonl does not follow on the segment before it", *MISSING),
    ),
    "other name": (
        {FIRST: line(2)},
        ready,
        (f"{FIRST} begins with seq 2", "its name says otherwise", REPAIR),
    ),
    "too long to be a line": (
        {FIRST: b"x" * LINE_BYTES_MAX + b"\n" + line(2)},
        ready,
        (f"{FIRST}: no line at byte 0", "the segment was cut or is damaged", REPAIR),
    ),
    "empty": (
        {FIRST: b""},
        ready,
        (f"{FIRST} is empty", "a segment has at least one line", REPAIR),
    ),
    "earlier segment": (
        {FIRST: line(1) + b"bad\n" + line(2), "000000000003.jsonl": line(3)},
        repair,
        (
            f"{FIRST}, line 2 (seq 2): its bytes do not match its CRC",
            "only the end of the last segment can be moved away",
            BACKUP,
        ),
    ),
    "covered": (
        {FIRST: line(1) + b"bad\n"},
        lambda store: repair(store, covered=2),
        (
            f"{FIRST}, line 2 (seq 2): its bytes do not match its CRC",
            "a published checkpoint covers seq 1 to 2",
            BACKUP,
        ),
    ),
}


@pytest.mark.parametrize(("files", "act", "said"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_said_with_its_reason_and_what_to_do(
    store: EventStore,
    files: dict[str, bytes],
    act: Callable[[EventStore], object],
    said: tuple[str, str, str],
) -> None:
    for name, content in files.items():
        (store.events_dir / name).write_bytes(content)
    with pytest.raises(Damaged) as damaged:
        act(store)
    assert words(damaged.value) == said
    assert {path.name: path.read_bytes() for path in store.events_dir.iterdir()} == files
    assert not store.rejects_dir.exists()


PROBLEMS = {
    "a later line": ({1: line(1) + line(2) + b"bad\n"}, (0, 3, 3, 2 * SIZE, "its bytes do not match its CRC")),
    "of another segment": ({1: line(1), 2: line(2) + line(4)}, (1, 2, 3, SIZE, "it says seq 4, due is 3")),
    "a name": ({1: line(1), 9: line(9)}, (1, 1, 2, 0, "the segment's name says seq 9, due is 2")),
    "an end": ({1: line(1) + b"torn", 2: line(2)}, (0, 2, 2, SIZE, "the line is not ended")),
    "nothing at all": ({1: b"torn", 2: line(2)}, (0, 1, 1, 0, "the line is not ended")),
}


@pytest.mark.parametrize(("files", "found"), PROBLEMS.values(), ids=PROBLEMS)
def test_the_first_damage_is_told_with_its_place(
    store: EventStore, files: dict[int, bytes], found: tuple[int, int, int, int, str]
) -> None:
    for first_seq, content in files.items():
        write(store, first_seq, content)
    damage = store.first_damage()
    assert damage is not None
    assert (damage.ordinal, damage.line, damage.seq, damage.file.size, damage.problem) == found
    assert damage.file.path == store._files()[damage.ordinal].path


def test_a_good_log_of_several_segments_has_no_damage(store: EventStore) -> None:
    append(store, 1, 2)
    append(store, 3, 4)
    append(store, 5)
    assert store.first_damage() is None


# Repair.


def test_repair_removes_an_empty_last_segment_and_says_so(store: EventStore, disk: Telling) -> None:
    append(store, 1, 2)
    append(store, 3)
    write(store, 4, b"")
    said = []
    assert told(disk, lambda: said.append(repair(store))) == ["unlink 4", "sync events/"]
    assert said == ["000000000004.jsonl was empty and is removed; what it may have held is not in the log any more"]
    assert repair(store) == "nothing is wrong with the lines of the log"
    assert seqs(store) == [1, 2, 3]


def test_repair_of_a_bad_line_says_where_what_and_whereto(store: EventStore, disk: Telling) -> None:
    append(store, 1)
    add(store, b"bad\nmore\n")
    name = f"damaged-000000000001-{SIZE}"
    said = []
    calls = told(disk, lambda: said.append(repair(store)))
    assert calls == [*moved(name), f"cut 1 {SIZE}", "sync 1", "close 1"]
    assert said == [
        f"{FIRST}, line 2 (seq 2): its bytes do not match its CRC; 2 lines (9 bytes) moved to rejects/{name}"
    ]


def test_repair_of_a_torn_end_says_what_was_torn(store: EventStore) -> None:
    append(store, 1)
    add(store, b"torn")
    said = f"the last line of the log was torn: 4 bytes moved to rejects/torn-000000000001-{SIZE}"
    assert repair(store) == said
    assert store.repaired == [said]


def test_repair_moves_what_no_checkpoint_covers_also_in_a_later_segment(store: EventStore) -> None:
    append(store, 1, 2)
    append(store, 3)
    add(store, b"bad\n", 3)
    assert repair(store, covered=3).startswith("000000000003.jsonl, line 2 (seq 4): ")
    assert seqs(store) == [1, 2, 3]


def test_repair_does_not_move_lines_whose_predecessors_are_missing(store: EventStore) -> None:
    append(store, 1)
    write(store, 4, line(4))
    with pytest.raises(Damaged) as damaged:
        repair(store)
    assert words(damaged.value) == (
        "000000000004.jsonl, line 1 (seq 2): the segment's name says seq 4, due is 2",
        "the lines before it are missing, its own may be good",
        BACKUP,
    )


@pytest.mark.parametrize(
    ("left", "seq"),
    [({}, 0), ({1: line(1)}, 1), ({1: b"torn"}, 0), ({1: line(1) + b"torn"}, 1), ({1: line(1), 2: b"torn"}, 1)],
    ids=["nothing", "a line", "torn", "a line and torn", "a segment and torn"],
)
def test_a_log_that_is_shorter_than_what_was_published_is_left_alone(
    store: EventStore, left: dict[int, bytes], seq: int
) -> None:
    for first_seq, content in left.items():
        write(store, first_seq, content)
    (store.path / "checkpoints").mkdir()
    (store.path / "checkpoints" / "000000000002").touch()
    with pytest.raises(Damaged) as damaged:
        ready(store)
    assert words(damaged.value) == (
        f"the log ends with seq {seq}, and a published checkpoint covers seq 1 to 2",
        "events are missing from its end",
        "bring them back from a backup; if it is meant to end there, move the later checkpoints away",
    )
    assert not store.rejects_dir.exists()


@pytest.mark.parametrize(
    ("end", "size"),
    [(b"", SIZE), (b"torn", SIZE), (line(2)[:-1], 2 * SIZE), (line(2)[:-1] + b"torn", 2 * SIZE), (line(2), 2 * SIZE)],
    ids=["nothing", "torn", "no newline", "no newline and more", "ended"],
)
def test_a_segment_is_as_long_as_its_mending_will_leave_it(store: EventStore, end: bytes, size: int) -> None:
    assert store.sizes() == []
    append(store, 1)
    add(store, end)
    assert store.sizes() == [size]
    ready(store)
    assert store.sizes() == [size] == [segment(store).stat().st_size]


def test_drafts_of_dead_makers_are_swept_also_by_repair(store: EventStore) -> None:
    (store.events_dir / f"{DRAFT}1-1.tmp").write_bytes(line(1))
    repair(store)
    assert names(store.events_dir) == []
