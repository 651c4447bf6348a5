"""The event store: lines, segments, the lock, durable appends, and what it does when the disk fails."""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import pytest
from msgspec.structs import replace

from ledger.disk import Disk
from ledger.errors import Damaged, Locked, StorageFailed
from ledger.events import Noted, Recorded
from ledger.line import decode, encode
from ledger.segments import Snapshot, offset_of, position, segment_of
from ledger.store import EventStore

T0 = datetime(2024, 3, 1, 10, 0, 2, 123456, tzinfo=UTC)


class FailingDisk(Disk):
    """A disk that counts its calls and fails the one it is told to."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.failures: dict[tuple[str, int], Callable[[], None]] = {}
        self.write_bytes_max = 1 << 30

    def fail(self, call: str, number: int = 1, code: int = errno.EIO) -> None:
        """Let the `number`-th call from now on raise."""

        def fail() -> None:
            raise OSError(code, os.strerror(code))

        self.failures[call, self.calls.count(call) + number] = fail

    def _called(self, call: str) -> None:
        self.calls.append(call)
        self.failures.get((call, self.calls.count(call)), lambda: None)()

    def write(self, fd: int, data: memoryview) -> int:
        self._called("write")
        return super().write(fd, data[: self.write_bytes_max])

    def sync(self, fd: int) -> None:
        self._called("sync")
        super().sync(fd)

    def sync_folder(self, path: Path) -> None:
        self._called("sync_folder")
        super().sync_folder(path)

    def truncate(self, fd: int, size: int) -> None:
        self._called("truncate")
        super().truncate(fd, size)

    def rename(self, old: Path, new: Path) -> None:
        self._called("rename")
        super().rename(old, new)

    def unlink(self, path: Path) -> None:
        self._called("unlink")
        super().unlink(path)


def line(seq: int, note: str = "as ever") -> bytes:
    event = Noted(order_id="1", occurred_at=T0, actor="buyer", text=note)
    return encode(Recorded(seq=seq, version=seq, recorded_at=T0, status="none", event=event))


def append(store: EventStore, *seqs: int) -> int:
    with store.lock(0):
        store.ready()
        return store.append(b"".join(line(seq) for seq in seqs), seqs[0], seqs[-1])


def seqs(store: EventStore) -> list[int]:
    return [decode(found).seq for _, found in store.lines()]


def segment(store: EventStore, first_seq: int = 1) -> Path:
    return store.events_dir / f"{first_seq:012d}.jsonl"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture
def store(tmp_path: Path, disk: FailingDisk) -> EventStore:
    (tmp_path / "events").mkdir()
    return EventStore(tmp_path, disk=disk)


@pytest.fixture
def small(tmp_path: Path, store: EventStore, disk: FailingDisk) -> EventStore:
    """A store whose segments hold two lines."""
    return EventStore(tmp_path, segment_bytes=2 * len(line(1)), disk=disk)


# Lines.


def test_a_line_decodes_to_what_was_encoded() -> None:
    written = line(7)
    assert written.endswith(b'"}\n')
    assert encode(replace(decode(written[:-1]), crc="")) == written


def test_a_line_with_any_byte_flipped_is_damaged() -> None:
    good = line(1)[:-1]
    for at in range(len(good)):
        with pytest.raises(Damaged):
            decode(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])


def test_a_line_that_matches_its_crc_but_not_the_schema_is_damaged() -> None:
    body = b'{"seq":1,"status":"none"'
    with pytest.raises(Damaged, match="damaged") as caught:
        decode(b'%b,"crc":"%08x"}' % (body, crc32(body)))
    assert "missing required field" in caught.value.why


# Reading and appending.


def test_an_empty_log_ends_at_zero(store: EventStore) -> None:
    with store.lock(0):
        assert store.ready() == (0, None, 0)
    assert store.snapshot() == Snapshot(())
    assert store.snapshot().end == 0
    assert store.first_damage() is None


def test_appended_lines_are_read_back_in_order_from_any_position(store: EventStore) -> None:
    append(store, 1, 2)
    append(store, 3)
    found = list(store.lines())
    assert [text + b"\n" for _, text in found] == [line(1), line(2), line(3)]
    assert [text for _, text in store.lines(found[1][0])] == [text for _, text in found[1:]]
    assert [store.read_line(at) for at, _ in found] == [text for _, text in found]
    assert store.line_before(store.snapshot().end) == line(3)[:-1]


def test_ready_says_the_last_seq_its_instant_and_the_end(store: EventStore) -> None:
    append(store, 1, 2)
    with store.lock(0):
        assert store.ready() == (2, T0, len(line(1)) * 2)


def test_a_segment_that_would_overshoot_is_followed_by_a_new_one(small: EventStore) -> None:
    starts = [append(small, 1), append(small, 2), append(small, 3, 4, 5), append(small, 6)]
    assert [(segment_of(at), offset_of(at)) for at in starts] == [(0, 0), (0, len(line(1))), (1, 0), (2, 0)]
    assert names(small.events_dir) == ["000000000001.jsonl", "000000000003.jsonl", "000000000006.jsonl"]
    assert seqs(small) == [1, 2, 3, 4, 5, 6]
    assert small.snapshot().bytes_after(starts[2]) == 4 * len(line(1))


def test_only_the_newest_segment_may_be_written_and_all_are_private(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3)
    assert stat.S_IMODE(segment(small, 1).stat().st_mode) == 0o400
    assert stat.S_IMODE(segment(small, 3).stat().st_mode) == 0o600


def test_a_read_only_last_segment_is_written_anew_before_it_is_built_on(store: EventStore) -> None:
    """Read-only is the mark of a sync that failed: a copy is synced, not the file of which the disk may hold less."""
    append(store, 1)
    before = segment(store).stat().st_ino
    segment(store).chmod(0o400)
    append(store, 2)
    after = segment(store).stat()
    assert (after.st_ino != before, stat.S_IMODE(after.st_mode)) == (True, 0o600)
    assert names(store.events_dir) == ["000000000001.jsonl"]
    assert seqs(store) == [1, 2]


def test_lines_longer_than_a_block_are_read_whole(store: EventStore) -> None:
    with store.lock(0):
        store.ready()
        store.append(line(1) + line(2, "x" * (3 << 20)) + line(3), 1, 3)
    assert seqs(store) == [1, 2, 3]
    at = [at for at, _ in store.lines()][1]
    assert store.read_line(at) == line(2, "x" * (3 << 20))[:-1]


def test_a_line_longer_than_any_can_be_is_damage(store: EventStore) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"x" * (9 << 20) + b"\n")
    with pytest.raises(Damaged):
        list(store.lines())
    with pytest.raises(Damaged):
        store.read_line(len(line(1)))
    with store.lock(0), pytest.raises(Damaged):
        store.ready()


def test_readers_do_not_see_an_unterminated_end(store: EventStore) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(line(2)[:-1])
    assert store.snapshot().end == len(line(1))
    assert seqs(store) == [1]


def test_a_first_segment_without_any_newline_counts_as_nothing(store: EventStore) -> None:
    segment(store).write_bytes(line(1)[:-1])
    assert store.snapshot().files == ()


def test_temporary_and_foreign_files_are_passed_over(store: EventStore) -> None:
    append(store, 1)
    (store.events_dir / ".x.jsonl").write_text("")
    (store.events_dir / "notes.txt").write_text("")
    assert len(store.snapshot().files) == 1


@pytest.mark.parametrize("name", ["1.jsonl", "000000000001 copy.jsonl", "backup.jsonl"])
def test_a_segment_with_a_wrong_name_is_damage(store: EventStore, name: str) -> None:
    append(store, 1)
    (store.events_dir / name).write_bytes(line(1))
    with pytest.raises(Damaged, match="no segment"):
        store.snapshot()


def test_a_segment_behind_a_symlink_is_damage(store: EventStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(line(1))
    segment(store).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Damaged, match="no segment"):
        store.snapshot()


def test_a_log_without_its_first_segment_is_damage(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3)
    segment(small).unlink()
    with pytest.raises(Damaged, match="begins with seq 3"):
        small.snapshot()


def test_a_position_outside_the_log_is_damage(store: EventStore) -> None:
    append(store, 1)
    for at in (len(line(1)), position(1, 0)):
        with pytest.raises(Damaged):
            store.read_line(at)
    with pytest.raises(Damaged):
        store.line_before(5)


def test_a_folder_that_is_missing_or_no_folder_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no ledger"):
        EventStore(tmp_path / "missing")
    (tmp_path / "events").write_text("")
    with pytest.raises(Damaged, match="not yours"):
        EventStore(tmp_path)


def test_a_folder_of_somebody_else_is_refused(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: store.path.stat().st_uid + 1)
    with pytest.raises(Damaged, match="not yours"):
        EventStore(store.path)


def test_more_segments_than_descriptors_kept_open_are_read(tmp_path: Path, store: EventStore) -> None:
    tiny = EventStore(tmp_path, segment_bytes=1)
    for seq in range(1, 70):
        append(tiny, seq)
    assert [decode(tiny.read_line(position(seq - 1, 0))).seq for seq in range(1, 70)] == list(range(1, 70))


# The lock.


def test_the_lock_is_held_by_one_writer_at_a_time(store: EventStore) -> None:
    with store.lock(0), pytest.raises(Locked, match="another command"), EventStore(store.path).lock(0.02):
        pass
    with EventStore(store.path).lock(0):
        pass
    assert (store.path / "lock").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_killed_writer_frees_the_lock_and_loses_nothing_written(store: EventStore) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with store.lock(0):
            store.ready()
            store.append(line(1), 1, 1)
            os.write(writing, b"held")
            os.read(os.pipe()[0], 1)
    assert os.read(reading, 4) == b"held"
    with pytest.raises(Locked), EventStore(store.path).lock(0):
        pass
    os.kill(child, 9)
    os.waitpid(child, 0)
    append(EventStore(store.path), 2)
    assert seqs(store) == [1, 2]


def write_twenty(path: Path) -> None:
    """Be another process that records twenty lines, one a lock, and exits with 0 when all went well."""
    code = 1
    try:
        store = EventStore(path)
        for _ in range(20):
            with store.lock(30):
                seq = store.ready().seq + 1
                store.append(line(seq), seq, seq)
        code = 0
    finally:
        os._exit(code)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_writers_at_once_leave_one_log_without_gaps(store: EventStore) -> None:
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            write_twenty(store.path)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert seqs(store) == list(range(1, 41))


def test_a_folder_that_takes_no_lock_file_is_storage_that_failed(store: EventStore) -> None:
    (store.path / "lock").mkdir()
    with pytest.raises(StorageFailed), store.lock(0):
        pass


# Durability.


def test_short_writes_are_continued(store: EventStore, disk: FailingDisk) -> None:
    disk.write_bytes_max = 10
    append(store, 1)
    append(store, 2)
    assert seqs(store) == [1, 2]


@pytest.mark.parametrize(("call", "number"), [("write", 2), ("sync", 1)])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failed_append_leaves_the_log_as_it_was(
    store: EventStore, disk: FailingDisk, call: str, number: int, code: int
) -> None:
    append(store, 1)
    before = segment(store).read_bytes()
    disk.write_bytes_max = 100
    with store.lock(0):
        store.ready()
        disk.fail(call, number, code)
        with pytest.raises(StorageFailed, match=os.strerror(code)) as caught:
            store.append(line(2), 2, 2)
    assert caught.value.why == "nothing of this batch was recorded"
    assert segment(store).read_bytes() == before
    append(store, 2)
    assert seqs(store) == [1, 2]


def test_a_failed_sync_is_not_tried_again_on_the_same_descriptor(store: EventStore, disk: FailingDisk) -> None:
    append(store, 1)
    synced: list[int] = []
    with store.lock(0):
        store.ready()
        failing = store._fd
        disk.sync = synced.append  # type: ignore[method-assign,assignment]
        disk.open = lambda path, flags: os.dup2(os.open(path, flags), 99)  # type: ignore[method-assign]
        disk.write = lambda fd, data: (_ for _ in ()).throw(OSError(errno.EIO, "no"))  # type: ignore[method-assign]
        with pytest.raises(StorageFailed):
            store.append(line(2), 2, 2)
    assert synced == [99] != [failing]


def test_an_append_that_cannot_be_taken_back_says_so(store: EventStore, disk: FailingDisk) -> None:
    append(store, 1)
    with store.lock(0):
        store.ready()
        disk.fail("sync")
        disk.fail("truncate")
        with pytest.raises(StorageFailed) as caught:
            store.append(line(2), 2, 2)
    assert "may be in the log" in caught.value.why


@pytest.mark.parametrize("call", ["write", "sync", "rename", "sync_folder"])
def test_a_segment_that_fails_to_be_born_leaves_no_trace(small: EventStore, disk: FailingDisk, call: str) -> None:
    append(small, 1, 2)
    with small.lock(0):
        small.ready()
        disk.fail(call)
        with pytest.raises(StorageFailed):
            small.append(line(3), 3, 3)
    assert names(small.events_dir) == ["000000000001.jsonl"]
    append(small, 3)
    assert seqs(small) == [1, 2, 3]


def test_a_segment_that_cannot_be_taken_back_says_so(store: EventStore, disk: FailingDisk) -> None:
    with store.lock(0):
        store.ready()
        disk.fail("sync_folder")
        disk.fail("unlink")
        with pytest.raises(StorageFailed) as caught:
            store.append(line(1), 1, 1)
    assert "may be in the log" in caught.value.why


def test_a_folder_that_takes_no_new_file_is_storage_that_failed(store: EventStore, disk: FailingDisk) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise OSError(errno.EACCES, "Permission denied")

    disk.open = refuse  # type: ignore[method-assign]
    with store.lock(0):
        store.ready()
        with pytest.raises(StorageFailed, match="Permission denied"):
            store.append(line(1), 1, 1)
    with pytest.raises(StorageFailed):
        store.draft()


def test_lines_of_another_writer_are_synced_before_they_are_built_on(store: EventStore, disk: FailingDisk) -> None:
    append(EventStore(store.path), 1)
    with store.lock(0):
        store.ready()
        assert disk.calls == ["sync", "sync_folder"]
        store.append(line(2), 2, 2)
        store.ready()
    assert disk.calls == ["sync", "sync_folder", "write", "sync"]


def test_lines_of_another_writer_that_cannot_be_synced_stop_the_command(store: EventStore, disk: FailingDisk) -> None:
    append(EventStore(store.path), 1)
    disk.fail("sync")
    with store.lock(0), pytest.raises(StorageFailed):
        store.ready()


# Drafts.


def test_an_adopted_draft_is_the_next_segment(store: EventStore) -> None:
    append(store, 1)
    with store.lock(0):
        store.ready()
        draft = store.draft()
        offsets = [draft.append(line(2)), draft.append(line(3) + line(4))]
        assert draft.read_line(offsets[1]) == line(3)[:-1]
        assert seqs(store) == [1]
        assert store.adopt(draft, 2) == position(1, 0)
        assert store.append(line(5), 5, 5) == position(1, 3 * len(line(1)))
    assert seqs(store) == [1, 2, 3, 4, 5]
    assert names(store.events_dir) == ["000000000001.jsonl", "000000000002.jsonl"]


def test_a_dropped_draft_leaves_nothing(store: EventStore, disk: FailingDisk) -> None:
    draft = store.draft()
    draft.append(line(1))
    disk.fail("write", code=errno.ENOSPC)
    with pytest.raises(StorageFailed):
        draft.append(line(2))
    draft.close()
    draft.close()
    assert names(store.events_dir) == []


def test_the_draft_of_a_dead_maker_is_removed_and_that_of_a_living_one_is_kept(store: EventStore) -> None:
    (store.events_dir / ".draft-1-1.tmp").write_bytes(line(1))
    draft = store.draft()
    append(store, 1)
    assert names(store.events_dir) == [draft.path.name, "000000000001.jsonl"]
    draft.close()


# Torn ends.


@pytest.mark.parametrize("cut", [2, 5, 100])
def test_a_torn_last_line_is_moved_to_rejects(store: EventStore, cut: int) -> None:
    append(store, 1, 2)
    whole = segment(store).read_bytes()
    segment(store).write_bytes(whole[:-cut])
    append(store, 2)
    assert seqs(store) == [1, 2]
    name = f"torn-000000000001-{len(line(1))}"
    assert (store.rejects_dir / name).read_bytes() == line(2)[:-cut]
    assert store.repaired == [f"the last line of the log was torn: {len(line(2)) - cut} bytes moved to rejects/{name}"]


@pytest.mark.parametrize("end", [b"", b"X", b"\0" * 4096, b'X{"seq":3,'])
def test_a_last_line_that_has_lost_its_newline_stands(store: EventStore, end: bytes) -> None:
    """One changed byte is no reason to lose an event that may have been acknowledged."""
    append(store, 1, 2)
    whole = segment(store).read_bytes()
    segment(store).write_bytes(whole[:-1] + end)
    append(store, 3)
    assert seqs(store) == [1, 2, 3]
    assert segment(store).read_bytes() == whole + line(3)
    [told] = store.repaired
    assert told.startswith("the last line of the log was not ended")
    assert told.endswith("; it is whole and stands")
    assert [path.read_bytes() for path in store.rejects_dir.glob("torn-*")] == ([end] if end else [])


def test_a_line_whose_newline_cannot_be_written_is_there_the_next_time(store: EventStore, disk: FailingDisk) -> None:
    append(store, 1)
    whole = segment(store).read_bytes()
    segment(store).write_bytes(whole[:-1])
    disk.fail("write", code=errno.ENOSPC)
    with store.lock(0), pytest.raises(StorageFailed, match="No space"):
        store.ready()
    append(store, 2)
    assert seqs(store) == [1, 2]


@pytest.mark.parametrize("end", [b'{"seq":2,"ver', b"bad\n"])
def test_what_a_published_checkpoint_covers_is_not_moved_away(store: EventStore, end: bytes) -> None:
    append(store, 1)
    before = segment(store).read_bytes() + end
    segment(store).write_bytes(before)
    (store.path / "checkpoints").mkdir()
    (store.path / "checkpoints" / "000000000002").touch()
    for act in (store.ready, store.repair):
        with store.lock(0), pytest.raises(Damaged):
            act()
    assert segment(store).read_bytes() == before


def test_a_torn_end_behind_a_damaged_line_is_moved_away_and_the_line_is_told(store: EventStore) -> None:
    """How far the log goes cannot be said then; the line itself is held against the checkpoint."""
    append(store, 1, 2)
    bad = b"X" + line(2)[1:]
    segment(store).write_bytes(line(1) + bad + b"torn")
    (store.path / "checkpoints").mkdir()
    (store.path / "checkpoints" / "000000000001").touch()
    with store.lock(0):
        assert "1 line" in store.repair()
    assert segment(store).read_bytes() == line(1)
    assert [path.read_bytes() for path in sorted(store.rejects_dir.iterdir())] == [bad, b"torn"]


def test_an_empty_segment_that_a_published_checkpoint_covers_is_not_removed(store: EventStore) -> None:
    append(store, 1)
    segment(store).write_bytes(b"")
    with pytest.raises(Damaged, match="ends with seq 0, and a published checkpoint covers seq 1 to 1"):
        repair(store, covered=1)
    assert segment(store).exists()


@pytest.mark.parametrize("end", [0, 1])
def test_nothing_is_appended_to_a_log_that_is_shorter_than_was_published(store: EventStore, end: int) -> None:
    (store.path / "checkpoints").mkdir()
    (store.path / "checkpoints" / "000000000002").touch()
    (store.path / "checkpoints" / "7").touch()  # no checkpoint is named so
    if end:
        segment(store).write_bytes(line(1))
    with pytest.raises(Damaged, match=f"ends with seq {end}, and a published checkpoint covers seq 1 to 2"):
        append(store, end + 1)


def test_what_was_moved_to_rejects_is_never_overwritten(store: EventStore) -> None:
    append(store, 1)
    for text in (b"one", b"two"):
        with segment(store).open("ab") as file:
            file.write(text)
        with store.lock(0):
            store.ready()
    assert [path.read_bytes() for path in sorted(store.rejects_dir.iterdir())] == [b"one", b"two"]


def test_a_torn_first_line_of_a_segment_takes_the_segment_away(store: EventStore) -> None:
    segment(store).write_bytes(line(1)[:50])
    with store.lock(0):
        assert store.ready().seq == 0
        store.append(line(1), 1, 1)
    assert seqs(store) == [1]


def test_a_repair_cuts_only_what_is_safe_in_rejects(store: EventStore, disk: FailingDisk) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"torn")
    disk.fail("sync")
    with store.lock(0), pytest.raises(StorageFailed):
        store.ready()
    assert segment(store).read_bytes() == line(1) + b"torn"


# Damage.


def test_a_bad_last_line_stops_the_writer(store: EventStore) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"not a line\n")
    with store.lock(0), pytest.raises(Damaged):
        store.ready()


def test_an_empty_segment_stops_the_writer(store: EventStore) -> None:
    segment(store).write_bytes(b"")
    with store.lock(0), pytest.raises(Damaged, match="empty"):
        store.ready()


def test_a_segment_that_does_not_begin_with_its_name_stops_the_writer(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3)
    segment(small, 3).rename(segment(small, 9))
    with small.lock(0), pytest.raises(Damaged, match="does not follow"):
        small.ready()


def test_the_first_damage_is_found_with_its_place(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3, 4)
    path = segment(small, 3)
    path.write_bytes(path.read_bytes().replace(b"as ever", b"as Ever")[: len(line(1))] + line(4))
    damage = small.first_damage()
    assert damage is not None
    assert (damage.ordinal, damage.line, damage.seq) == (1, 1, 3)
    assert damage.file.size == 0
    assert "CRC" in damage.problem


@pytest.mark.parametrize(
    ("content", "number", "problem"),
    [
        (line(1) + line(3), 2, "it says seq 3, due is 2"),
        (line(1) + line(1), 2, "it says seq 1, due is 2"),
        (line(1) + b"\n" + line(2), 2, "CRC"),
    ],
)
def test_lines_that_do_not_follow_each_other_are_damage(
    store: EventStore, content: bytes, number: int, problem: str
) -> None:
    segment(store).write_bytes(content)
    damage = store.first_damage()
    assert damage is not None
    assert damage.line == number
    assert problem in damage.problem
    assert damage.file.size == len(line(1))


def test_a_missing_segment_and_a_cut_older_segment_are_damage(small: EventStore) -> None:
    for seq in (1, 3, 5):
        append(small, seq, seq + 1)
    older = segment(small, 3)
    older.chmod(0o600)
    older.write_bytes(line(3) + line(4)[:-9])
    damage = small.first_damage()
    assert damage is not None
    assert (damage.ordinal, damage.line, damage.problem) == (1, 2, "the line is not ended")
    with pytest.raises(Damaged, match="not ended"):
        list(small.lines())
    older.unlink()
    damage = small.first_damage()
    assert damage is not None
    assert "due is 3" in damage.problem
    with pytest.raises(Damaged, match="does not follow"):
        list(small.lines())
    with small.lock(0), pytest.raises(Damaged, match="does not follow"):
        small.ready()
    snapshot = small.snapshot()
    assert ([file.first_seq for file in snapshot.files], snapshot.damage is None) == ([1], False)


# Repair.


def repair(store: EventStore, covered: int = 0) -> str:
    if covered:
        shutil.rmtree(store.path / "checkpoints", ignore_errors=True)
        (store.path / "checkpoints").mkdir()
        (store.path / "checkpoints" / f"{covered:012d}").touch()
    with store.lock(0):
        return store.repair()


def test_repair_says_so_when_nothing_is_wrong(store: EventStore) -> None:
    assert repair(store) == "nothing is wrong with the lines of the log"
    append(store, 1)
    assert repair(store) == "nothing is wrong with the lines of the log"


def test_repair_moves_everything_from_the_first_bad_line(store: EventStore) -> None:
    append(store, 1)
    bad = b"not a line\n" + line(3)
    with segment(store).open("ab") as file:
        file.write(bad)
    said = repair(store)
    assert f"2 lines ({len(bad)} bytes) moved to rejects/damaged-000000000001-{len(line(1))}" in said
    assert "line 2 (seq 2)" in said
    assert seqs(store) == [1]
    assert [path.read_bytes() for path in store.rejects_dir.iterdir()] == [bad]
    append(store, 2)
    assert seqs(store) == [1, 2]


def test_repair_moves_a_segment_away_whose_first_line_is_bad(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3)
    segment(small, 3).write_bytes(b"bad\n")
    repair(small)
    append(small, 3)
    assert seqs(small) == [1, 2, 3]


def test_repair_of_a_torn_end_says_what_was_moved(store: EventStore) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"torn")
    assert "4 bytes moved" in repair(store)


def test_repair_refuses_damage_in_an_earlier_segment(small: EventStore) -> None:
    append(small, 1, 2)
    append(small, 3)
    segment(small).chmod(0o600)
    segment(small).write_bytes(line(1) + b"bad\n")
    with pytest.raises(Damaged, match="line 2") as caught:
        repair(small)
    assert "last segment" in caught.value.why
    assert names(small.rejects_dir) == []


def test_repair_refuses_what_a_published_checkpoint_covers(store: EventStore) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"bad\n")
    with pytest.raises(Damaged) as caught:
        repair(store, covered=2)
    assert "checkpoint" in caught.value.why
    assert "moved" in repair(store, covered=1)


def test_repair_leaves_a_good_segment_where_the_one_before_it_is_missing(small: EventStore) -> None:
    for seq in (1, 2, 3, 4, 5):
        append(small, seq)
    segment(small, 3).unlink()
    with pytest.raises(Damaged) as caught:
        repair(small)
    assert "the lines before it are missing" in caught.value.why
    assert segment(small, 5).read_bytes() == line(5)


def test_repair_that_the_disk_does_not_take_changes_nothing(store: EventStore, disk: FailingDisk) -> None:
    append(store, 1)
    with segment(store).open("ab") as file:
        file.write(b"bad\n")
    disk.fail("write", code=errno.ENOSPC)
    with pytest.raises(StorageFailed):
        repair(store)
    assert segment(store).read_bytes() == line(1) + b"bad\n"
