"""verify looks at everything beside the log too: checkpoints, the index, permissions; and what the command prints."""

import json
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from freezegun import freeze_time

import commands.import_  # noqa: F401 - types are made while modules load, which must not be while the clock is frozen
from ledger.book import Ledger
from ledger.checkpoint import Checkpoint, origin_of
from ledger.errors import StorageFailed
from ledger.events import Fact
from ledger.places import Places
from ledger.published import Published
from ledger.verify import CHECKS, QUICK, verify
from tests import scenario as s
from tests.damaging import FACTS, ID, change, found, ledger_of, lines_around, segment, usual
from tests.logs import log_of
from tests.running import ROOT, Cli

SAMPLES = [path for path in sorted((ROOT / "sample_logs").glob("*.jsonl")) if path.name != "broken.jsonl"]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The usual ledger, with an index and a published checkpoint."""
    ledger = usual(tmp_path / "l")
    ledger.rebuild()
    Published(ledger.store, ID).publish(wait=0)
    assert verify(ledger).ok
    return ledger


# Checkpoints.


def rewritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


FORGERIES: dict[str, tuple[Callable[[Checkpoint], bytes], str]] = {
    "another root": (lambda c: Checkpoint(c.origin, 11, bytes(32)).text, "are not those that the checkpoint covers"),
    "another ledger": (lambda c: Checkpoint(origin_of("f" * 32), 11, c.root).text, "it is of orderledger/ffff"),
    "cut": (lambda c: c.text[:-9], "no hash of 32 bytes"),
    "empty": (lambda c: b"", "three lines"),
    "another size": (lambda c: Checkpoint(c.origin, 10, c.root).text, "its name says otherwise"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
@pytest.mark.parametrize("quick", [False, True])
def test_a_checkpoint_that_is_not_what_was_published_is_told(ledger: Ledger, forgery: str, quick: bool) -> None:
    forge, told = FORGERIES[forgery]
    path = ledger.path / "checkpoints" / "000000000011"
    rewritten(path, forge(Checkpoint(origin_of(ID), 11, verify(ledger).root)))
    [(check, _, problem)] = found(ledger, quick=quick)
    assert check == "checkpoints"
    assert problem.startswith("checkpoints/000000000011: ")
    assert told in problem


def test_a_checkpoint_of_lines_that_are_not_there_is_told(ledger: Ledger) -> None:
    rewritten(ledger.path / "checkpoints" / "000000000012", Checkpoint(origin_of(ID), 12, bytes(32)).text)
    [(check, seq, problem)] = found(ledger)
    assert (check, seq) == ("checkpoints", 12)
    assert "the log ends at seq 11" in problem


def test_a_foreign_file_or_folder_among_the_checkpoints_is_told(ledger: Ledger) -> None:
    rewritten(ledger.path / "checkpoints" / "notes", b"hello")
    (ledger.path / "checkpoints" / "old").mkdir(0o700)
    (ledger.path / "checkpoints" / ".new").touch(0o600)
    assert [(check, problem.split(":")[0]) for check, _, problem in found(ledger)] == [
        ("checkpoints", "checkpoints/notes"),
        ("checkpoints", "checkpoints/old"),
    ]


# The index.


def tamper(ledger: Ledger, *statements: str) -> None:
    with sqlite3.connect(ledger.index.path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


TAMPERED = {
    "an order removed": ("DELETE FROM lines WHERE order_id = 'a'", "order a: it names none of 7 lines"),
    "the last order removed": ("DELETE FROM lines WHERE order_id = 'b'", "order b: it names none of 4 lines"),
    "a foreign order": (
        f"INSERT INTO lines VALUES ('aa', 0, x'{struct.pack('>q', 0).hex()}')",
        "order aa: it names 1 lines, the log has none",
    ),
    "another order's lines": (
        "UPDATE lines SET positions = (SELECT positions FROM lines WHERE order_id = 'b') WHERE order_id = 'a'",
        "order a: it names other lines than the 7 that there are",
    ),
    "half a position": ("UPDATE lines SET positions = x'00' WHERE order_id = 'a'", "it cannot be read"),
    "no positions": ("UPDATE lines SET positions = NULL WHERE order_id = 'a'", "it cannot be read"),
    "another line": ("UPDATE covered SET crc = 5 WHERE segment = 2", "has another line before byte"),
    "half a line": ("UPDATE covered SET bytes = bytes - 1 WHERE segment = 2", "has another line before byte"),
    "a segment left out": ("DELETE FROM covered WHERE segment = 1", "bytes of segment 3"),
    "another format": ("PRAGMA user_version = 9", "it is of another format"),
    "no table": ("DROP TABLE covered", "it cannot be read"),
}


@pytest.mark.parametrize("tampered", TAMPERED)
def test_an_index_that_is_not_what_the_log_makes_is_told(ledger: Ledger, tampered: str) -> None:
    statement, told = TAMPERED[tampered]
    tamper(ledger, statement)
    [(check, _, problem)] = found(ledger)
    assert check == "index"
    assert told in problem
    assert found(ledger, quick=True) == []


def test_a_log_that_is_shorter_than_its_index_is_told_of_the_log(ledger: Ledger) -> None:
    """Whoever keeps no checkpoint still hears that events are gone."""
    (ledger.path / "checkpoints" / "000000000011").unlink()
    segment(ledger, 9).unlink()
    told = "the log is shorter than its index knew it: events are missing from its end"
    assert found(ledger) == [("segments", None, told)]


@pytest.mark.parametrize("end", [b"", b"X"])
def test_a_last_line_without_its_newline_is_told(ledger: Ledger, end: bytes) -> None:
    path = segment(ledger, 9)
    path.write_bytes(path.read_bytes()[:-1] + end)
    told = "events/000000000009.jsonl: its last line is whole and has lost the newline that ends it"
    assert ("segments", None, told) in found(ledger, quick=True)
    path.write_bytes(path.read_bytes()[:-20] + b"X" * 20)
    assert told not in [problem for _, _, problem in found(ledger, quick=True)]


def test_an_end_that_only_looks_like_a_line_is_not_told_for_one(ledger: Ledger) -> None:
    path = segment(ledger, 9)
    path.write_bytes(path.read_bytes().replace(b"asked", b"asket")[:-1])
    assert [check for check, _, _ in found(ledger, quick=True)] == ["checkpoints"]


def test_what_was_published_cannot_be_lost_unseen(ledger: Ledger) -> None:
    shutil.rmtree(ledger.path / "checkpoints")
    told = "checkpoints/ is missing: the log cannot be held against what was published"
    assert found(ledger) == [("checkpoints", None, told)]


def test_an_index_that_is_no_database_is_told(ledger: Ledger) -> None:
    ledger.index.path.write_bytes(b"no database" * 100)
    assert [check for check, _, _ in found(ledger)] == ["index"]


def test_an_index_that_lags_behind_is_good(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 11)
    whole = path.read_bytes()
    path.write_bytes(b"".join(lines[:1]))
    (ledger.path / "checkpoints" / "000000000011").unlink()
    ledger.rebuild()
    path.write_bytes(whole)
    assert found(ledger) == []
    ledger.index.path.unlink()
    assert found(ledger) == []


def test_an_index_that_was_written_while_the_log_was_read_is_good(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass sees the log as it was when it began."""
    whole = segment(ledger, 9).read_bytes()
    first = whole.index(b"\n") + 1
    monkeypatch.setattr("ledger.scan.complete_bytes", lambda path, size: first)
    monkeypatch.setattr("ledger.scan.whole_bytes", lambda rest: 0)  # the rest was not there yet
    (ledger.path / "checkpoints" / "000000000011").unlink()
    report = verify(ledger)
    assert (report.ok, report.events) == (True, 9)


def test_an_index_of_a_segment_that_came_while_the_log_was_read_is_good(tmp_path: Path) -> None:
    """It covers more than the pass has seen, and an order that only begins there; it is held against what was seen."""
    begun_last = s.placed(order_id="c", at=s.after(13))
    ledger = ledger_of(tmp_path / "l", log_of([*FACTS, begun_last]))
    ledger.rebuild()
    newest, aside = segment(ledger, 9), tmp_path / "aside"

    def come(size: int, events: int) -> None:
        if aside.exists():
            aside.rename(newest)

    def read_on() -> list[str]:
        newest.rename(aside)
        report = verify(ledger, progress=come)
        assert report.events == 8
        return [one.problem for check in report.checks for one in check.problems]

    assert read_on() == []
    tamper(ledger, "DELETE FROM lines WHERE order_id = 'b'")
    assert read_on() == ["cache/index.sqlite: order b: it names none of 3 lines"]


def test_an_index_that_somebody_holds_is_left_alone(ledger: Ledger) -> None:
    holder = sqlite3.connect(ledger.index.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        connect = partial(sqlite3.connect, timeout=0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", connect)
            assert found(ledger) == []
    finally:
        holder.close()


def test_an_index_is_not_held_against_a_log_that_cannot_be_read(ledger: Ledger) -> None:
    path, lines = lines_around(ledger, 6)
    path.write_bytes(b"".join(lines).replace(b'"version":4', b'"version":5', 1))
    assert [problem for check, _, problem in found(ledger) if check == "index"] == [
        "it cannot be held against a log that cannot be read"
    ]


def test_a_line_of_another_order_shows_in_the_index(ledger: Ledger) -> None:
    change(
        ledger,
        11,
        lambda line: line.replace(b'"order_id":"a"', b'"order_id":"c"').replace(b'"version":7', b'"version":1'),
    )
    assert "index" in {check for check, _, _ in found(ledger)}


def test_places_that_find_no_room_are_storage_that_failed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    places = Places()
    places.add("a", 0)
    monkeypatch.setattr(places, "_db", sqlite3.connect("file:none?mode=memory", uri=True))
    with pytest.raises(StorageFailed, match="kept aside"):
        places.flush()


# The segments.


def test_what_a_file_manager_leaves_beside_the_segments_is_no_segment_and_no_damage(ledger: Ledger) -> None:
    rewritten(ledger.store.events_dir / ".DS_Store", b"folders")
    assert found(ledger) == []


def test_a_line_that_is_too_long_and_not_ended_is_all_there_is_of_its_segment(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end is looked for up to the end of the segment, whose lines after it are not there for the next one."""
    monkeypatch.setattr("ledger.scan.LINE_BYTES_MAX", 1000)
    monkeypatch.setattr("ledger.scan.BLOCK_BYTES", 1500)
    segment(ledger, 5).write_bytes(b"x" * 10_000)
    told = [(check, seq, problem) for check, seq, problem in found(ledger, quick=True) if check != "checkpoints"]
    assert told[0] == ("segments", 5, "the line is longer than any line can be")
    assert [seq for _, seq, _ in told[1:]] == [6]  # what follows is missing, and told once


def test_segments_that_orders_are_read_again_from_are_not_all_kept_open(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts: list[Fact] = [s.placed(order_id=f"o{number}", at=s.after(0)) for number in range(12)]
    facts += [s.noted(order_id=f"o{number}", at=s.after(1)) for number in range(12)]
    long = ledger_of(tmp_path / "long", log_of(facts), per_segment=1)
    monkeypatch.setattr("ledger.kept.WHOLE_BYTES", 10)
    monkeypatch.setattr("ledger.kept.PACKED_BYTES", 0)
    monkeypatch.setattr("ledger.verify.READERS_MAX", 3)
    opened: list[int] = []
    report = verify(long, progress=lambda size, events: opened.append(len(os.listdir("/dev/fd"))))
    assert (report.ok, report.events) == (True, 24)
    assert 0 < max(opened) - opened[0] <= 3


# Permissions.


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (".", 0o750),
        ("events", 0o701),
        ("events/000000000001.jsonl", 0o640),
        ("checkpoints", 0o755),
        ("checkpoints/000000000011", 0o644),
        ("cache/index.sqlite", 0o604),
        ("ledger.toml", 0o666),
        ("lock", 0o620),
    ],
)
@pytest.mark.parametrize("quick", [False, True])
def test_what_is_open_to_others_is_told(ledger: Ledger, name: str, mode: int, quick: bool) -> None:
    (ledger.path / name).chmod(mode)
    [(check, _, problem)] = found(ledger, quick=quick)
    assert check == "permissions"
    assert problem.startswith(name)
    assert f"its mode is {mode:04o}" in problem
    (ledger.path / name).chmod(0o700 if (ledger.path / name).is_dir() else 0o600)


def test_modes_that_are_narrower_are_good(ledger: Ledger) -> None:
    segment(ledger, 1).chmod(0o400)
    (ledger.path / "ledger.toml").chmod(0o400)
    (ledger.path / "policy.toml").write_text("")
    (ledger.path / "policy.toml").chmod(0o644)
    assert found(ledger) == []


@pytest.mark.parametrize("name", ["ledger.toml", "policy.toml", "lock", "checkpoints/000000000011", "events", "cache"])
def test_a_symlink_is_told(ledger: Ledger, tmp_path: Path, name: str) -> None:
    path = ledger.path / name
    if not path.exists():
        path.touch()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert ("permissions", None, f"{name}{'/' if path.is_dir() else ''} is a symlink") in found(ledger)


def test_what_belongs_to_somebody_else_is_told(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert ("permissions", None, f"lock belongs to user {me}") in found(ledger)


# The command.


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a ledger with all sample logs."""
    cli = Cli(tmp_path / "ledger", capsys)
    with freeze_time("2026-11-01T00:00:00Z"):  # when none of them is in the future
        cli.ok("init")
        cli.ok("import", *map(str, SAMPLES))
    return cli


def only_segment(cli: Cli) -> Path:
    return cli.ledger / "events" / "000000000001.jsonl"


def test_all_sample_logs_are_good(cli: Cli) -> None:
    checkpoint = cli.ok("checkpoint")
    report = cli.ok("verify").splitlines()
    assert report[0] == f"sound: all {len(CHECKS)} checks passed"
    assert report[2 : 2 + len(CHECKS)] == [f"{name:<11}  ok" for name in CHECKS]
    assert report[-1] == f"root {checkpoint.splitlines()[2]}"
    assert report[-2] == f"{checkpoint.splitlines()[1]} events"
    (cli.ledger / "policy.toml").write_text("protection_days = 3\nbuyer_cancels_unpaid = false\n")
    assert cli.ok("verify").splitlines() == report


def test_the_json_has_the_promised_shape(cli: Cli) -> None:
    report = json.loads(cli.ok("verify", "-o", "json"))
    assert list(report) == ["ok", "events", "root", "checks"]
    assert report["ok"] is True
    assert report["checks"] == [{"check": name, "ok": True, "problems": []} for name in CHECKS]
    path = only_segment(cli)
    path.write_bytes(path.read_bytes().replace(b'"seq":3,', b'"seq":4,', 1))
    answer = cli("verify", "-o", "jsonl", "--quick")
    assert answer.code == 1
    report = json.loads(answer.out)
    assert answer.out.count("\n") == 1
    assert [check["check"] for check in report["checks"]] == list(QUICK)
    [crc] = [check for check in report["checks"] if not check["ok"]]
    assert crc == {
        "check": "crc",
        "ok": False,
        "problems": [{"seq": 3, "segment": path.name, "line": 3, "problem": "its bytes do not match its CRC"}],
    }


def test_damage_is_exit_1_with_the_place_and_what_is_wrong(cli: Cli) -> None:
    path = only_segment(cli)
    path.write_bytes(path.read_bytes().replace(b'"seq":3,', b'"seq":4,', 1))
    (cli.ledger / "lock").chmod(0o644)
    answer = cli("verify")
    assert (answer.code, answer.err) == (1, "")
    assert "crc          1 problem\n" in answer.out
    assert "crc\n  seq 3, 000000000001.jsonl:3: its bytes do not match its CRC\n" in answer.out
    assert "permissions\n  lock is open to others: its mode is 0644, it should be 0600\n" in answer.out


def test_quick_sees_bytes_and_no_forged_decision(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = usual(tmp_path / "l")
    cli = Cli(ledger.path, capsys)
    change(ledger, 10, lambda line: line.replace(b'"actor":"buyer"', b'"actor":"seller"'))
    assert cli("verify", "--quick").code == 0
    answer = cli("verify")
    assert answer.code == 1
    assert "seq 10, 000000000009.jsonl:2: refused by R1: order a: the seller cannot close an order" in answer.out
    path, lines = lines_around(ledger, 3)
    path.write_bytes(b"".join(lines).replace(b"20.00", b"21.00", 1))
    assert cli("verify", "--quick").code == 1


def test_a_checkpoint_kept_elsewhere_tells_a_log_that_was_cut(cli: Cli, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text(cli.ok("checkpoint"))
    assert "extends checkpoint  ok\n" in cli.ok("verify", "--checkpoint", str(kept))
    next((cli.ledger / "checkpoints").iterdir()).unlink()
    (cli.ledger / "cache" / "index.sqlite").unlink()
    path = only_segment(cli)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    cli.ok("verify")
    answer = cli("verify", "--checkpoint", str(kept))
    assert answer.code == 1
    assert "the log ends at seq 184, the checkpoint covers seq 1 to 185" in answer.out


def test_what_is_no_checkpoint_is_bad_input(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no checkpoint")
    assert cli("verify", "--checkpoint", str(tmp_path / "kept")).code == 4
    assert cli("verify", "--checkpoint", str(tmp_path / "missing")).code == 4
    assert cli("verify", "-o", "csv").code == 2


def test_no_lock_is_taken_and_nothing_is_written(cli: Cli) -> None:
    before = {path: path.stat().st_mtime_ns for path in cli.ledger.rglob("*")}
    with Ledger.open(cli.ledger).store.lock(0):
        cli.ok("verify")
    assert {path: path.stat().st_mtime_ns for path in cli.ledger.rglob("*")} == before
