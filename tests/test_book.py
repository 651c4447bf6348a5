"""The ledger as a whole: what holds when the disk, the index or the log misbehave around it."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ledger.book import Ledger
from ledger.disk import Disk
from ledger.errors import Damaged, Refused, StorageFailed
from ledger.events import Fact, Noted, Paid, Placed, Recorded, Retracted
from ledger.formats.facts import Reject
from ledger.importing import Line, Summary
from ledger.index import Index
from ledger.line import decode
from queries.engine import private_folder

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=30)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "ledger", policy="aliexpress", now=T0, ledger_id="0" * 32)


def placed(order_id: str) -> Placed:
    return Placed(order_id=order_id, occurred_at=T0, seller="s", amount="10.00", currency="USD")


def noted(order_id: str, number: int) -> Noted:
    return Noted(order_id=order_id, occurred_at=T0 + timedelta(hours=number + 1), text=f"note {number}")


def lines(facts: Iterable[Fact]) -> list[Line | None]:
    return [Line("log", number, msgspec.json.encode(fact)) for number, fact in enumerate(facts, 1)]


def bring_in(ledger: Ledger, facts: Iterable[Fact], *, atomic: bool = False, dry_run: bool = False) -> Summary:
    rejects: list[Reject] = []
    return ledger.import_facts(lines(facts), now=lambda: NOW, reject=rejects.append, atomic=atomic, dry_run=dry_run)


def log(ledger: Ledger) -> list[Recorded]:
    return [decode(line) for _, line in ledger.store.lines()]


def small_segments(ledger: Ledger) -> Ledger:
    """Reopen the ledger with segments of a few lines."""
    config = ledger.path / "ledger.toml"
    config.write_text(config.read_text().replace(str(64 << 20), "2000"))
    return Ledger.open(ledger.path)


def test_a_lost_segment_stops_writers_and_readers(ledger: Ledger) -> None:
    ledger = small_segments(ledger)
    for number in range(40):
        ledger.record(placed(f"o{number}"), now=NOW)
    segments = sorted((ledger.path / "events").iterdir())
    assert len(segments) > 3
    segments[1].unlink()
    again = Ledger.open(ledger.path)
    with pytest.raises(Damaged, match="does not follow"):
        again.record(placed("new"), now=NOW)
    with pytest.raises(Damaged, match="does not follow"):
        again.rebuild()
    assert again.history("o39") == []
    assert "does not follow" in str(again.damage)
    assert again.order("o0").known


def test_a_spoilt_index_is_made_again_by_an_import(ledger: Ledger) -> None:
    bring_in(ledger, [placed(f"o{number}") for number in range(2000)])
    index = ledger.path / "cache" / "index.sqlite"
    content = bytearray(index.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    index.write_bytes(content)
    again = Ledger.open(ledger.path)
    facts: list[Fact] = [noted(f"o{number}", 1) for number in range(2000)]
    assert bring_in(again, [*facts, placed("o5")]).recorded == 2000
    assert [recorded.version for recorded in again.history("o7")] == [1, 2]


class Failing(Disk):
    """A disk on which a file cannot be given its name."""

    def rename(self, old: Path, new: Path) -> None:
        raise OSError(28, "No space left on device")


def test_an_atomic_import_that_fails_counts_nothing_as_recorded(ledger: Ledger) -> None:
    heard: list[Summary] = []
    ledger.store.disk = Failing()
    with pytest.raises(StorageFailed):
        ledger.import_facts(
            lines([placed("a")]), now=lambda: NOW, reject=lambda _: None, atomic=True, progress=heard.append
        )
    assert (heard[-1].read, heard[-1].recorded) == (1, 0)
    assert log(ledger) == []


def stopping_after(calls: int) -> Callable[[], bool]:
    """Make a `stop` that says so from the given call on."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_an_import_of_a_pipe_stops_after_what_came_before_a_pause(ledger: Ledger) -> None:
    first, second = lines([placed("a"), placed("b")])
    given = [None, first, None, None, second, None]
    known = Summary(read=1, recorded=1)
    assert ledger.import_facts(given, now=lambda: NOW, reject=lambda _: None, stop=stopping_after(0)) == known
    assert ledger.import_facts(given, now=lambda: NOW, reject=lambda _: None) == Summary(
        read=2, recorded=1, duplicates=1
    )


@pytest.mark.parametrize("calls", [0, 1])
def test_an_interrupted_atomic_import_records_nothing(ledger: Ledger, calls: int) -> None:
    summary = ledger.import_facts(
        lines([placed("a")]), now=lambda: NOW, reject=lambda _: None, atomic=True, stop=stopping_after(calls)
    )
    assert (summary.recorded, log(ledger)) == (0, [])


def test_after_an_atomic_import_the_index_knows_its_lines(ledger: Ledger) -> None:
    bring_in(ledger, [placed(f"o{number}") for number in range(50)], atomic=True)
    ledger.index.look(ledger.store)
    assert (ledger.index.lag_bytes, len(ledger.index.positions("o49"))) == (0, 1)
    ledger.index.close()


def test_a_dry_run_leaves_every_file_as_it_is(ledger: Ledger) -> None:
    ledger.record(placed("a"), now=NOW)
    segment = ledger.path / "events" / "000000000001.jsonl"
    with segment.open("ab") as file:
        file.write(b'{"seq":2,"torn')
    before = {path: path.read_bytes() for path in ledger.path.rglob("*") if path.is_file()}
    summary = bring_in(Ledger.open(ledger.path), [noted("a", 1), noted("a", 1), noted("b", 1)], dry_run=True)
    assert (summary.recorded, summary.duplicates, summary.refused) == (1, 1, 1)
    assert {path: path.read_bytes() for path in ledger.path.rglob("*") if path.is_file()} == before


def test_a_damaged_line_after_the_indexed_ones_is_seen_by_every_writer(ledger: Ledger) -> None:
    ledger.record(placed("a1"), now=NOW)
    ledger.record(noted("a1", 1), now=NOW)
    segment = ledger.path / "events" / "000000000001.jsonl"
    head, _, tail = segment.read_bytes().rpartition(b"a1")
    segment.write_bytes(head + b"a2" + tail)
    with pytest.raises(Damaged):
        Ledger.open(ledger.path).record(noted("a1", 2), now=NOW)


def test_the_line_of_a_duplicate_is_the_line_of_the_log(ledger: Ledger) -> None:
    first = ledger.record(placed("a"), now=NOW)
    again = ledger.record(placed("a"), now=NOW)
    assert (again.duplicate, again.line) == (True, first.line)
    assert first.line.count(b'"crc"') == 1


def test_a_fact_recorded_anew_is_found_before_the_one_taken_back(ledger: Ledger) -> None:
    paid = Paid(order_id="a", occurred_at=T0, amount="10.00")
    ledger.record(placed("a"), now=NOW)
    ledger.record(paid, now=NOW)
    ledger.record(Retracted(order_id="a", occurred_at=T0, retracts=2, why="wrong"), now=NOW)
    taken_back = ledger.record(paid, now=NOW)
    assert (taken_back.recorded.seq, taken_back.retracted_by) == (2, 3)
    ledger.record(msgspec.structs.replace(paid, fact_id="anew"), now=NOW)
    standing = ledger.record(paid, now=NOW)
    assert (standing.recorded.seq, standing.retracted_by) == (4, None)


def test_a_refused_line_that_escapes_made_long_can_be_imported_again(ledger: Ledger) -> None:
    long_one = msgspec.json.encode(noted("a", 1)).replace(b"note 1", b'\\"' * 500_000)
    rejects: list[Reject] = []
    ledger.import_facts([Line("log", 1, long_one)], now=lambda: NOW, reject=rejects.append)
    assert [reject.rule for reject in rejects] == ["R7"]
    kept = msgspec.json.encode(rejects[0])
    assert len(kept) > 1 << 20
    ledger.record(placed("a"), now=NOW)
    summary = ledger.import_facts([Line("rejects", 1, kept)], now=lambda: NOW, reject=rejects.append)
    assert summary.recorded == 1


def test_rebuild_removes_what_killed_readers_left(ledger: Ledger) -> None:
    ledger.record(placed("a"), now=NOW)
    left = ledger.path / "cache" / "read-of-a-killed-one"
    left.mkdir()
    ledger.rebuild()
    assert not left.exists()
    assert json.loads(ledger.record(placed("a"), now=NOW).line)["seq"] == 1


def test_rebuild_leaves_the_folder_of_a_question_that_is_being_answered(ledger: Ledger) -> None:
    ledger.record(placed("a"), now=NOW)
    with private_folder(ledger.path / "cache") as private:
        ledger.rebuild()
        assert (private / "spill").is_dir()
    assert not private.exists()


def test_reading_between_two_writes_changes_nothing_for_the_writer(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), placed("b")])
    assert len(ledger.history("a")) == 1
    assert ledger.record(noted("b", 1), now=NOW).recorded.version == 2
    assert len(ledger.history("b")) == 2
    assert ledger.record(placed("a"), now=NOW).duplicate
    assert bring_in(ledger, [noted("c", 1)], dry_run=True).refused == 1
    assert ledger.record(noted("a", 1), now=NOW).recorded.version == 2
    assert [recorded.seq for recorded in log(ledger)] == [1, 2, 3, 4]


# What is told without a time.


def test_what_is_told_while_others_record_comes_after_them(ledger: Ledger) -> None:
    """It waited for the lock, so its moment had passed."""
    ledger.record(placed("a"), now=NOW)
    later = NOW + timedelta(seconds=2)
    other = Noted(order_id="a", occurred_at=NOW + timedelta(seconds=1), text="the other one")
    ledger.record(other, now=later)
    mine = Noted(order_id="a", occurred_at=NOW, text="mine")
    with pytest.raises(Refused, match="out-of-order"):
        ledger.record(mine, now=NOW)
    with pytest.raises(Refused, match="out-of-order"):
        ledger.record(mine, now=later, undated=True)
    recorded = ledger.record(mine, now=NOW, undated=True).recorded
    assert recorded.event.occurred_at == other.occurred_at + timedelta(microseconds=1)
    assert recorded.odd == ()


# Events that are gone.


def last_segment(ledger: Ledger) -> Path:
    return sorted((ledger.path / "events").iterdir())[-1]


def test_what_repair_moved_away_is_not_missed(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), noted("a", 1)])
    segment = last_segment(ledger)
    segment.write_bytes(segment.read_bytes()[:-10] + b"X" * 9 + b"\n")
    assert "moved to rejects" in Ledger.open(ledger.path).repair()
    assert not Ledger.open(ledger.path).record(noted("a", 2), now=NOW).duplicate


def test_what_was_lost_is_missed_also_after_repair(ledger: Ledger) -> None:
    """A small log too, of which `record` indexes nothing."""
    bring_in(ledger, [placed("a"), noted("a", 1)])
    segment = last_segment(ledger)
    segment.write_bytes(segment.read_bytes().splitlines(keepends=True)[0])
    for _ in range(2):
        with pytest.raises(Damaged, match="the log is shorter than it was"):
            Ledger.open(ledger.path).record(noted("a", 2), now=NOW)
        with pytest.raises(Damaged, match="the log is shorter than it was"):
            Ledger.open(ledger.path).repair()
    Ledger.open(ledger.path).rebuild()
    assert not Ledger.open(ledger.path).record(noted("a", 2), now=NOW).duplicate


def test_an_end_that_was_indexed_is_not_moved_away(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), noted("a", 1)])
    segment = last_segment(ledger)
    torn = segment.read_bytes()[:-40]
    segment.write_bytes(torn)
    for act in (Ledger.repair, lambda again: again.record(noted("a", 2), now=NOW)):
        with pytest.raises(Damaged, match="the log is shorter than it was"):
            act(Ledger.open(ledger.path))
    assert segment.read_bytes() == torn


def test_an_indexed_line_that_lost_its_newline_is_not_missed(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), noted("a", 1)])
    segment = last_segment(ledger)
    segment.write_bytes(segment.read_bytes()[:-1] + b"X")
    again = Ledger.open(ledger.path)
    assert again.record(noted("a", 2), now=NOW).recorded.seq == 3
    assert [told.partition(":")[0] for told in again.warnings] == ["the last line of the log was not ended"]


def test_what_was_mended_is_told_also_where_the_command_fails(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), noted("a", 1)])
    segment = last_segment(ledger)
    segment.write_bytes(segment.read_bytes().replace(b"note 1", b"note 2") + b"torn")
    again = Ledger.open(ledger.path)
    with pytest.raises(Damaged, match="damaged"):
        again.record(noted("a", 2), now=NOW)
    assert [told.partition(":")[0] for told in again.warnings] == ["the last line of the log was torn"]


def test_how_many_orders_were_placed_is_told_with_one_reading_of_what_is_not_indexed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_in(ledger, [placed("a"), placed("b"), placed("c"), noted("a", 0)])
    ledger.record(Retracted(order_id="b", occurred_at=NOW, retracts=1, why="no such order"), now=NOW)
    ledger.record(placed("d"), now=NOW)
    ledger.record(noted("d", 1), now=NOW)
    ledger.record(placed("e"), now=NOW)
    ledger.record(Retracted(order_id="e", occurred_at=NOW, retracts=1, why="no such order"), now=NOW)
    placing = ledger.placings()
    monkeypatch.setattr(ledger.store, "lines", None)
    found = {order_id: event.order_id for order_id in "abcdef" if (event := placing(order_id))}
    assert found == {"a": "a", "c": "c", "d": "d"}


@pytest.mark.parametrize("places", [[10**6], [0]], ids=["no line is there", "the line of another order"])
def test_how_an_order_was_placed_is_searched_for_where_the_index_misleads(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, places: list[int]
) -> None:
    bring_in(ledger, [placed("a"), placed("b")])
    placing = ledger.placings()
    monkeypatch.setattr(Index, "positions", lambda index, order_id: places)
    found = placing("b")
    assert found is not None
    assert found.order_id == "b"


def test_how_an_order_was_placed_is_told_also_where_the_index_is_of_another_log(ledger: Ledger, tmp_path: Path) -> None:
    other = Ledger.create(tmp_path / "other", policy="aliexpress", now=T0, ledger_id="1" * 32)
    bring_in(ledger, [placed("a"), placed("b")])
    bring_in(other, [placed("b"), placed("a")])
    (ledger.path / "cache" / "index.sqlite").write_bytes((other.path / "cache" / "index.sqlite").read_bytes())
    placing = ledger.placings()
    found = {order_id: event.order_id for order_id in "abc" if (event := placing(order_id))}
    assert found == {"a": "a", "b": "b"}
