"""The ledger where something around it is not as usual: its folder, its settings, the index, the room it has."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger import importing, kept, plain
from ledger.book import Ledger
from ledger.errors import Damaged, Malformed, StorageFailed
from ledger.events import Fact, Noted, Placed
from ledger.formats.facts import Reject, parse
from ledger.importing import Line, Summary
from ledger.index import LAG_BYTES
from ledger.verify import verify

T0 = datetime(2026, 1, 1, tzinfo=UTC)
NOW = T0 + timedelta(days=30)
ID = "0" * 32


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.create(tmp_path / "ledger", policy="aliexpress", now=T0, ledger_id=ID)


def placed(order_id: str) -> Placed:
    return Placed(order_id=order_id, occurred_at=T0, seller="s", amount="10.00", currency="USD")


def noted(order_id: str, number: int) -> Noted:
    return Noted(order_id=order_id, occurred_at=T0 + timedelta(hours=number + 1), text=f"note {number}")


def many(count: int) -> list[Fact]:
    """Give so many orders, of which each is placed and noted twice, one after the other."""
    facts: list[Fact] = [placed(f"o{number}") for number in range(count)]
    return facts + [noted(f"o{number}", note) for note in (1, 2) for number in range(count)]


def bring_in(ledger: Ledger, facts: list[Fact], **options: Any) -> Summary:
    lines = [Line("log", number, msgspec.json.encode(fact)) for number, fact in enumerate(facts, 1)]
    refused: list[Reject] = []
    return ledger.import_facts(lines, now=lambda: NOW, reject=refused.append, **options)


def log(ledger: Ledger) -> list[bytes]:
    return [line for _, line in ledger.store.lines()]


def change_index(ledger: Ledger, statement: str) -> None:
    with sqlite3.connect(ledger.index.path) as db:
        db.execute(statement)
    db.close()


# The folder.


def test_a_ledger_that_the_disk_does_not_take_is_storage_that_failed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageFailed, match="cannot make a ledger in") as failed:
        Ledger.create(tmp_path / "file" / "ledger", policy="aliexpress", now=T0, ledger_id=ID)
    assert failed.value.why == "Not a directory"


@pytest.mark.parametrize(
    "content", [b"", b"format = \n", b"\xff\xfe", b'format = 1\nid = "0"\n', b'format = "1"\n'], ids=repr
)
def test_a_ledger_toml_that_says_no_ledger_is_damage(ledger: Ledger, content: bytes) -> None:
    (ledger.path / "ledger.toml").write_bytes(content)
    with pytest.raises(Damaged, match=r"ledger\.toml is damaged") as damaged:
        Ledger.open(ledger.path)
    assert damaged.value.why
    assert "backup" in damaged.value.hint


def test_a_ledger_toml_of_an_unknown_policy_is_damage_that_says_which_there_are(ledger: Ledger) -> None:
    config = ledger.path / "ledger.toml"
    config.write_text(config.read_text().replace('"aliexpress"', '"nonsense"'))
    with pytest.raises(Damaged, match="no policy is named 'nonsense'") as damaged:
        Ledger.open(ledger.path)
    assert "aliexpress" in damaged.value.hint


def test_a_cache_that_is_no_folder_cannot_be_rebuilt_and_the_log_is_as_it_was(ledger: Ledger) -> None:
    bring_in(ledger, many(2))
    before = log(ledger)
    ledger.index.path.unlink()
    ledger.index.path.parent.rmdir()
    ledger.index.path.parent.write_text("no folder")
    with pytest.raises(Damaged, match="cache/ is no folder"):
        Ledger.open(ledger.path).rebuild()
    assert log(ledger) == before


def test_a_policy_toml_longer_than_any_file_of_a_ledger_is_not_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = b"pay_days = 9\n".rjust(1000)
    (ledger.path / "policy.toml").write_bytes(policy)
    monkeypatch.setattr(plain, "SMALL_BYTES", 1000)
    assert Ledger.open(ledger.path).policy.pay_days == 9
    (ledger.path / "policy.toml").write_bytes(policy + b"\n")
    with pytest.raises(Damaged, match=r"policy\.toml cannot be read") as damaged:
        Ledger.open(ledger.path)
    assert damaged.value.why == "it is too long for what it should be"


def test_a_nul_is_found_beside_numbers_and_only_where_it_is_one() -> None:
    """The search goes over every field of a fact, also over those that are no text."""
    fact = b'{"type":"processing-extended","order_id":"a","occurred_at":"2026-01-01T00:00:00Z","days":3,"note":"%b"}'
    with pytest.raises(Malformed, match="NUL"):
        parse(fact % rb"a\u0000")
    assert parse(fact % rb"a\\u0000").note == r"a\u0000"


# The index.


def test_order_ids_are_completed_with_and_without_an_index(ledger: Ledger) -> None:
    bring_in(ledger, [placed("81"), placed("82"), placed("9")])
    assert ledger.order_ids("8") == ["81", "82"]
    assert ledger.order_ids("8", limit=1) == ["81"]
    ledger.index.path.unlink()
    assert ledger.order_ids("8") == ["81", "82"]


def test_an_index_without_its_lines_is_made_again_by_an_import_of_new_orders(ledger: Ledger) -> None:
    bring_in(ledger, [placed("a"), placed("b")])
    change_index(ledger, "DROP TABLE lines")
    again = Ledger.open(ledger.path)
    summary = bring_in(again, [placed("a"), placed("c"), noted("a", 1)])
    assert (summary.recorded, summary.duplicates, summary.refused) == (2, 1, 0)
    assert [line.version for line in again.history("a")] == [1, 2]
    assert verify(again).ok


def test_an_index_that_lost_where_an_order_begins_is_made_again_before_anything_is_decided(ledger: Ledger) -> None:
    bring_in(ledger, many(2))
    change_index(ledger, "UPDATE lines SET positions = substr(positions, 9) WHERE order_id = 'o1'")
    again = Ledger.open(ledger.path)
    assert bring_in(again, [noted("o1", 3)]).recorded == 1
    assert [line.version for line in again.history("o1")] == [1, 2, 3, 4]
    assert verify(again).ok


def test_an_import_beside_an_index_that_cannot_be_used_records_everything_and_warns(ledger: Ledger) -> None:
    ledger.index.path.mkdir()
    summary = bring_in(ledger, [*many(2), placed("o1")])
    assert (summary.recorded, summary.duplicates, summary.refused) == (6, 1, 0)
    assert ledger.warnings
    assert all("the index cannot be used" in warning for warning in ledger.warnings)
    ledger.index.path.rmdir()
    ledger.rebuild()
    assert [line.version for line in ledger.history("o1")] == [1, 2, 3]


def test_an_index_that_could_not_be_saved_because_another_writes_is_caught_up_with(ledger: Ledger) -> None:
    other = Ledger.open(ledger.path)
    held = other.store.lock(0)

    def another_begins() -> bool:
        held.__enter__()
        return False

    try:
        summary = bring_in(ledger, [placed("a"), placed("b")], wait=0, stop=another_begins)
    finally:
        held.__exit__(None, None, None)
    assert (summary.recorded, ledger.warnings) == (2, [])
    other.index.look(other.store)
    assert other.index.lag_bytes > 0
    assert bring_in(other, [noted("a", 1), placed("b")]).recorded == 1
    assert verify(other).ok


def test_a_dry_run_on_a_long_log_without_an_index_makes_one_and_records_nothing(ledger: Ledger) -> None:
    bring_in(ledger, many(2000))
    before = log(ledger)
    assert sum(map(len, before)) > LAG_BYTES
    ledger.index.path.unlink()
    again = Ledger.open(ledger.path)
    summary = bring_in(again, [placed("o7"), noted("o7", 9), noted("new", 1)], dry_run=True)
    assert (summary.duplicates, summary.recorded, summary.refused) == (1, 1, 1)
    assert log(again) == before
    again.index.look(again.store)
    assert again.index.lag_bytes == 0


# The room it has.


def test_an_import_that_finds_no_room_aside_records_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def small(path: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(path, **options)
        if path == "":
            db.execute("PRAGMA max_page_count = 8")
        return db

    monkeypatch.setattr(sqlite3, "connect", small)
    for options in ({"atomic": True}, {"dry_run": True}):
        with pytest.raises(StorageFailed, match="kept aside: database or disk is full") as failed:
            bring_in(ledger, many(200), **options)
        assert failed.value.why == "nothing was recorded"
        assert log(ledger) == []


def test_a_rebuild_that_finds_no_room_is_storage_that_failed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    bring_in(ledger, many(200))
    before = log(ledger)
    connect = sqlite3.connect

    def small(path: Any, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(path, **options)
        db.execute("PRAGMA max_page_count = 4")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", small)
        with pytest.raises(StorageFailed, match="database or disk is full") as failed:
            ledger.rebuild()
    assert failed.value.why == "the log itself is as it was"
    assert log(ledger) == before
    ledger.rebuild()
    assert verify(ledger).ok


@pytest.mark.parametrize("packed_bytes", [0, 2000, 1 << 20])
def test_orders_that_leave_memory_go_on_as_they_were(
    ledger: Ledger, packed_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "WHOLE_BYTES", 2000)
    monkeypatch.setattr(kept, "PACKED_BYTES", packed_bytes)
    monkeypatch.setattr(importing, "BLOCK_LINES", 2)
    facts = many(20)
    assert bring_in(ledger, facts).recorded == len(facts)
    assert bring_in(ledger, facts).duplicates == len(facts)
    more = many(25)
    for at_once in ({"dry_run": True}, {"atomic": True}):
        summary = bring_in(ledger, [*more, *more], **at_once)
        assert (summary.recorded, summary.duplicates) == (len(more) - len(facts), len(more) + len(facts))
    assert verify(ledger).ok


def test_progress_is_heard_of_each_full_batch_when_it_is_in_the_log(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_LINES", 4)
    heard: list[tuple[int, int]] = []
    bring_in(ledger, many(3), progress=lambda summary: heard.append((summary.recorded, len(log(ledger)))))
    assert heard == [(4, 4), (8, 8), (9, 9)]
