"""The index: which lines are an order's, kept in step with the log, rebuilt when it does not fit, never trusted."""

import os
import sqlite3
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zlib import crc32

import pytest

from ledger import index as index_module
from ledger.errors import Damaged
from ledger.events import Noted, Recorded
from ledger.index import Index, IndexFailed, Mismatch, lines_of
from ledger.line import encode
from ledger.store import EventStore

T0 = datetime(2024, 3, 1, 10, tzinfo=UTC)


class Log:
    """A store and the lines it was given, to write any order's next line."""

    def __init__(self, path: Path, segment_bytes: int = 1 << 20) -> None:
        (path / "events").mkdir(exist_ok=True)
        self.store = EventStore(path, segment_bytes=segment_bytes)
        self.path = path / "cache" / "index.sqlite"
        self.versions: dict[str, int] = {}
        self.seq = 0

    def chunk(self, *order_ids: str) -> tuple[bytes, list[int]]:
        chunk = b""
        places: list[int] = []
        for order_id in order_ids:
            self.seq += 1
            self.versions[order_id] = version = self.versions.get(order_id, 0) + 1
            event = Noted(order_id=order_id, occurred_at=T0, actor="buyer")
            places.append(len(chunk))
            chunk += encode(Recorded(seq=self.seq, version=version, recorded_at=T0, status="none", event=event))
        return chunk, places

    def append(self, *order_ids: str, index: Index | None = None) -> None:
        """Append one line for each order id, and index them when an index is given."""
        with self.store.lock(0):
            self.store.ready()
            if index:
                index.catch_up(self.store)
            chunk, places = self.chunk(*order_ids)
            start = self.store.append(chunk, self.seq - len(order_ids) + 1, self.seq)
            if index:
                index.extend(self.store, list(order_ids), [start + at for at in places], start + len(chunk))

    def indexed(self) -> Index:
        """An index that has caught up and was written."""
        index = Index(self.path)
        with self.store.lock(0):
            index.catch_up(self.store)
            index.flush()
        return index

    def looked(self) -> Index:
        """An index as a reader sees it."""
        index = Index(self.path)
        index.look(self.store)
        return index

    def versions_of(self, index: Index | None, order_id: str) -> list[int]:
        return [line.version for line in lines_of(self.store, index, order_id)]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.fixture
def segments(tmp_path: Path) -> Log:
    """A log that begins a segment with every append."""
    return Log(tmp_path, segment_bytes=1)


def test_an_index_that_caught_up_knows_every_line(segments: Log) -> None:
    for order_ids in (("a", "b", "a"), ("c",), ("a", "c")):
        segments.append(*order_ids)
    index = segments.indexed()
    assert {order_id: segments.versions_of(index, order_id) for order_id in "abcd"} == {
        "a": [1, 2, 3],
        "b": [1],
        "c": [1, 2],
        "d": [],
    }
    assert index.reach == segments.store.snapshot().end
    assert list(index.lag(segments.store)) == []


def test_an_extended_index_equals_one_read_from_the_log(segments: Log) -> None:
    index = Index(segments.path)
    for order_ids in (("a", "b", "a"), ("c",), ("a", "c"), ("b",)):
        segments.append(*order_ids, index=index)
    before = {order_id: index.positions(order_id) for order_id in "abc"}
    index.flush()
    assert {order_id: segments.looked().positions(order_id) for order_id in "abc"} == before
    with segments.store.lock(0):
        index.rebuild(segments.store)
    assert {order_id: index.positions(order_id) for order_id in "abc"} == before


def test_lines_are_written_in_portions(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "FLUSH_EVENTS", 3)
    index = Index(log.path)
    for _ in range(4):
        log.append("a", "b", index=index)
    assert log.looked().positions("a") == index.positions("a")
    assert log.indexed().positions("b") == index.positions("b")
    with log.store.lock(0):
        index.rebuild(log.store)
    assert log.versions_of(index, "a") == [1, 2, 3, 4]


def test_a_reader_searches_what_is_not_indexed_yet(segments: Log) -> None:
    segments.append("a", "b")
    segments.indexed()
    segments.append("a")
    segments.append("b", "a", "c")
    index = segments.looked()
    assert [segments.versions_of(index, order_id) for order_id in "abc"] == [[1, 2, 3], [1, 2], [1]]
    assert len(index.positions("a")) == 1


def test_a_reader_without_an_index_searches_the_whole_log(log: Log) -> None:
    log.append("a", "b", "a")
    assert log.versions_of(log.looked(), "a") == [1, 2]
    assert log.versions_of(None, "a") == [1, 2]
    assert log.versions_of(None, "x") == []
    assert not log.path.exists()


def test_an_order_id_inside_another_text_is_not_taken_for_the_order(log: Log) -> None:
    log.append("a", '"order_id":"a"', "aa")
    assert log.versions_of(None, "a") == [1]
    assert log.versions_of(None, '"order_id":"a"') == [1]


def test_a_folder_name_with_signs_of_a_uri_is_read(tmp_path: Path) -> None:
    (tmp_path / "a?b%20 #c").mkdir()
    log = Log(tmp_path / "a?b%20 #c")
    log.append("a")
    log.indexed()
    assert len(log.looked().positions("a")) == 1


def test_a_writer_may_leave_a_short_lag_and_still_sees_every_line(log: Log) -> None:
    log.append("a")
    log.indexed()
    log.append("a", "b")
    index = Index(log.path)
    with log.store.lock(0):
        log.store.ready()
        index.catch_up(log.store, 1 << 20)
        assert log.versions_of(index, "a") == [1, 2]
        chunk, _ = log.chunk("a")
        start = log.store.append(chunk, log.seq, log.seq)
        index.extend(log.store, ["a"], [start], start + len(chunk))
        assert log.versions_of(index, "a") == [1, 2, 3]
        index.catch_up(log.store, 100)
        index.flush()
    assert len(log.looked().positions("a")) == 3


def test_lookups_in_one_transaction_see_the_same_and_let_others_write_afterwards(log: Log) -> None:
    with Index(log.path).held():
        pass
    log.append("a")
    index = log.indexed()
    log.append("a", index=index)
    with index.held():
        assert log.versions_of(index, "a") == [1, 2]
        index.flush()
        assert log.versions_of(index, "a") == [1, 2]
    with index.held():
        assert log.versions_of(index, "a") == [1, 2]
    log.append("a")
    assert len(log.indexed().positions("a")) == 3


def test_lines_another_writer_indexed_meanwhile_are_not_indexed_twice(log: Log) -> None:
    mine = Index(log.path)
    log.append("a", index=mine)
    log.append("a")
    log.indexed()
    log.append("a", index=mine)
    mine.flush()
    assert log.versions_of(log.looked(), "a") == [1, 2, 3]
    assert len(log.looked().positions("a")) == 3


def test_a_damaged_line_is_not_indexed(log: Log) -> None:
    log.append("a", "b")
    segment = log.store.events_dir / "000000000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"a"', b'"x"'))
    with log.store.lock(0), pytest.raises(Damaged):
        Index(log.path).catch_up(log.store)


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be looked at" * 100])
def test_a_file_that_is_no_database_is_made_anew(log: Log, content: bytes) -> None:
    log.append("a", "b", "a")
    log.path.parent.mkdir()
    log.path.write_bytes(content)
    assert log.versions_of(log.looked(), "a") == [1, 2]
    assert len(log.indexed().positions("a")) == 2


@pytest.mark.parametrize(
    "change",
    [
        "PRAGMA user_version = 99",
        "UPDATE covered SET crc = 1",
        "UPDATE covered SET bytes = bytes - 1",
        "UPDATE covered SET bytes = 0",
        "DROP TABLE covered",
    ],
)
def test_a_file_that_does_not_fit_the_log_is_made_anew(log: Log, change: str) -> None:
    log.append("a", "b", "a")
    log.indexed().close()
    db = sqlite3.connect(log.path)
    db.execute(change)
    db.commit()
    db.close()
    assert log.looked().reach == 0
    assert log.versions_of(log.looked(), "a") == [1, 2]
    assert len(log.indexed().positions("a")) == 2
    assert log.looked().reach == log.store.snapshot().end


def test_an_index_of_a_log_that_was_cut_and_went_on_is_made_anew(log: Log, tmp_path: Path) -> None:
    log.append("a", "b", "a")
    index = log.indexed()
    (log.store.events_dir / "000000000001.jsonl").unlink()
    other = Log(tmp_path)
    other.append("b", "c", "c", "c")
    with other.store.lock(0):
        index.catch_up(other.store)
    assert [other.versions_of(index, order_id) for order_id in "abc"] == [[], [1], [1, 2, 3]]


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM lines WHERE order_id = 'a'",
        "UPDATE lines SET positions = x'00' WHERE order_id = 'a'",
        "UPDATE lines SET positions = 'text' WHERE order_id = 'a'",
        "UPDATE lines SET positions = x'0000000000000005' WHERE order_id = 'a'",
        "UPDATE lines SET positions = x'0000000900000000' WHERE order_id = 'a'",
        "UPDATE lines SET order_id = 'a' WHERE order_id = 'b'",
        "DROP TABLE lines",
    ],
)
def test_an_index_that_leads_to_wrong_lines_is_a_mismatch_until_it_is_rebuilt(log: Log, change: str) -> None:
    log.append("b", "a", "a")
    log.indexed().close()
    log.append("a")
    db = sqlite3.connect(log.path)
    db.execute(change)
    db.commit()
    db.close()
    index = log.looked()
    with pytest.raises(Mismatch):
        lines_of(log.store, index, "a")
    with log.store.lock(0):
        index.rebuild(log.store)
    assert log.versions_of(index, "a") == [1, 2, 3]


def test_lines_missing_from_the_log_itself_are_damage(log: Log) -> None:
    log.append("a")
    log.versions["a"] = 2
    log.append("a")
    with pytest.raises(Damaged, match="missing"):
        lines_of(log.store, None, "a")
    index = log.indexed()
    with pytest.raises(Mismatch):
        lines_of(log.store, index, "a")
    with log.store.lock(0):
        index.rebuild(log.store)
    with pytest.raises(Damaged, match="missing"):
        lines_of(log.store, index, "a")


def test_an_index_that_cannot_be_opened_fails_but_every_line_is_found(log: Log) -> None:
    log.append("a", "b", "a")
    log.path.mkdir(parents=True)
    index = Index(log.path)
    with log.store.lock(0):
        with pytest.raises(IndexFailed):
            index.catch_up(log.store)
        assert log.versions_of(index, "a") == [1, 2]
        with pytest.raises(IndexFailed):
            index.rebuild(log.store)
    log.append("a")
    assert log.versions_of(log.looked(), "a") == [1, 2, 3]


def test_an_index_that_cannot_be_written_fails_and_what_was_gathered_is_still_known(log: Log) -> None:
    log.append("a")
    index = log.indexed()
    log.append("a", index=index)
    other = sqlite3.connect(log.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert index._db is not None
    index._db.execute("PRAGMA busy_timeout = 0")
    with pytest.raises(IndexFailed, match="locked"):
        index.flush()
    other.close()
    assert log.versions_of(index, "a") == [1, 2]
    index.flush()
    assert len(log.looked().positions("a")) == 2


def test_catching_up_that_cannot_write_fails_and_the_lines_are_still_known(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_module, "FLUSH_EVENTS", 2)
    log.append("a", "b", "a", "c", "a")

    def full(self: Index) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Index, "_write", full)
    index = Index(log.path)
    with log.store.lock(0), pytest.raises(IndexFailed, match="No space"):
        index.catch_up(log.store)
    assert log.versions_of(index, "a") == [1, 2, 3]


def test_a_line_without_an_order_is_damage_for_the_index(log: Log) -> None:
    body = b'{"seq":1,"version":1'
    (log.store.events_dir / "000000000001.jsonl").write_bytes(b'%b,"crc":"%08x"}\n' % (body, crc32(body)))
    with log.store.lock(0), pytest.raises(Damaged):
        Index(log.path).catch_up(log.store)


def test_a_write_that_breaks_off_leaves_the_file_as_it_was(log: Log) -> None:
    log.append("a")
    index = log.indexed()
    log.append("a", index=index)
    assert index._db is not None
    index._db.execute("CREATE TEMP TRIGGER no BEFORE INSERT ON covered BEGIN SELECT RAISE(FAIL, 'broken off'); END")
    with pytest.raises(IndexFailed, match="broken off"):
        index.flush()
    assert log.versions_of(index, "a") == [1, 2]
    assert len(log.looked().positions("a")) == 1


def test_a_log_that_is_shorter_than_its_index_is_told(log: Log) -> None:
    """Events that somebody was told of are gone: that is not to be written over, unless it is meant to be so."""
    log.append("a", "a")
    index = log.indexed()
    segment = log.store.events_dir / "000000000001.jsonl"
    os.truncate(segment, segment.stat().st_size // 2)
    assert log.looked().reach == 0
    for act in (index.check, index.catch_up):
        with log.store.lock(0), pytest.raises(Damaged, match="the log is shorter than it was") as caught:
            act(log.store)
        assert "orderledger rebuild" in caught.value.hint
    with log.store.lock(0):
        index.rebuild(log.store)
    assert log.versions_of(index, "a") == [1]
    index.check(log.store)


def test_an_index_of_a_log_whose_earlier_segment_changed_is_not_used(segments: Log) -> None:
    segments.append("a", "b")
    segments.append("b")
    segments.indexed().close()
    first = segments.store.events_dir / "000000000001.jsonl"
    first.write_bytes(b"".join(first.read_bytes().splitlines(keepends=True)[1:]))
    assert segments.looked().reach == 0
    with pytest.raises(Damaged, match="seq 2 where 1 is due"):
        segments.indexed()


def test_an_index_that_another_process_holds_fails_and_is_not_thrown_away(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.append("a", "b", "a")
    log.indexed().close()
    holder = sqlite3.connect(log.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, timeout=0))
    index = Index(log.path)
    with log.store.lock(0):
        with pytest.raises(IndexFailed, match="locked"):
            index.catch_up(log.store)
        assert log.versions_of(index, "a") == [1, 2]
        holder.close()
        index.catch_up(log.store)
    assert len(index.positions("a")) == 2


def test_orders_that_begin_so_are_found_in_the_index_and_after_it(log: Log) -> None:
    log.append("81", "82", "81", "9")
    log.indexed().close()
    log.append("83", "82", "7")
    index = log.looked()
    assert index.lag_bytes > 0
    assert index.order_ids(log.store, "8", 50) == ["81", "82", "83"]
    assert index.order_ids(log.store, "8", 2) == ["81", "82"]
    assert index.order_ids(log.store, "", 50) == ["7", "81", "82", "83", "9"]
    assert index.order_ids(log.store, "x", 50) == []
    log.path.unlink()
    assert log.looked().order_ids(log.store, "8", 50) == ["81", "82", "83"]


def test_orders_of_an_index_that_cannot_be_read_are_not_offered(log: Log) -> None:
    log.append("81")
    log.indexed().close()
    log.append("82")
    with sqlite3.connect(log.path) as db:
        db.execute("DROP TABLE lines")
    db.close()
    assert log.looked().order_ids(log.store, "8", 50) == ["82"]


def test_the_file_is_private(log: Log) -> None:
    log.append("a")
    log.indexed()
    assert log.path.stat().st_mode & 0o777 == 0o600
    assert log.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_reader_never_writes(log: Log) -> None:
    log.append("a")
    log.indexed().close()
    before = (os.stat(log.path).st_mtime_ns, sorted(path.name for path in log.path.parent.iterdir()))
    assert log.versions_of(log.looked(), "a") == [1]
    assert (os.stat(log.path).st_mtime_ns, sorted(path.name for path in log.path.parent.iterdir())) == before
