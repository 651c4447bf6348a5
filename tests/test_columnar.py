"""Columnar copies: whatever becomes of them, an answer is that of the log, and what is not of the log is not read."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.events import Recorded
from queries import columnar
from queries.engine import open_relations
from queries.moment import Moment
from queries.relations import VIEWS
from tests import scenario as s
from tests.logs import log_of, write
from tests.running import ROOT, Cli
from tests.strategies import examples
from tests.test_laws_ledger import ORDERS, draw_moment

ASKED = ["SELECT * FROM events ORDER BY seq", "SELECT * FROM orders ORDER BY order_id"]
LOG = log_of(
    fact
    for number in range(4)
    for fact in (
        s.placed(at=s.after(number), order_id=f"o{number}", title="späte Lieferung"),
        s.paid(at=s.after(number, hours=1), order_id=f"o{number}"),
        s.noted(at=s.after(number, hours=2), order_id=f"o{number}", text="=1+1"),
    )
)


def answers(folder: Path, lines: list[Recorded], *, copies: Path | None, moment: Moment, per_segment: int) -> list[Any]:
    snapshot = write(folder / "events", lines, per_segment=per_segment)
    with open_relations(snapshot, moment, scratch=folder / "cache", copies=copies) as found:
        return [Counter(map(repr, found.run(f"SELECT * FROM {view}", {}).rows)) for view in VIEWS]


@examples(4)
@given(ORDERS, st.data())
def test_an_answer_from_copies_is_that_of_the_lines(
    tmp_path_factory: pytest.TempPathFactory, log: list[Recorded], data: st.DataObject
) -> None:
    """In any relation and at any moment, whether copies are made now or were there, of some segments or of all."""
    folder = tmp_path_factory.mktemp("ledger")
    as_of, known_at = draw_moment(data.draw, log)
    moment = Moment(s.NOW, as_of, known_at)
    due = answers(folder, log, copies=None, moment=moment, per_segment=7)
    cache = folder / "cache"
    assert answers(folder, log, copies=cache, moment=moment, per_segment=7) == due
    for copy in data.draw(st.lists(st.sampled_from([None, *copies_in(cache)]), max_size=2)):
        if copy is not None:
            copy.unlink(missing_ok=True)
    assert answers(folder, log, copies=cache, moment=moment, per_segment=7) == due


def copies_in(cache: Path) -> list[Path]:
    return sorted(cache.glob(f"*{columnar.SUFFIX}"))


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a ledger of twelve events in segments of five lines."""
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    write(made.ledger / "events", LOG, per_segment=5)
    return made


def asked(cli: Cli) -> list[str]:
    return [cli.ok("sql", sql, "-o", "jsonl") for sql in ASKED]


@pytest.fixture
def due(cli: Cli) -> list[str]:
    """What is answered without copies; the copies are there after it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(columnar, "complete", lambda *_, **__: {})
        found = asked(cli)
    assert [json.loads(line)["seq"] for line in found[0].splitlines()] == [*range(1, 13)]
    assert copies_in(cli.ledger / "cache") == []
    assert asked(cli) == found
    return found


def test_each_sealed_segment_gets_a_copy_and_the_newest_none(cli: Cli, due: list[str]) -> None:
    names = [path.name for path in copies_in(cli.ledger / "cache")]
    assert [name[:12] for name in names] == ["000000000001", "000000000006"]
    assert {path.stat().st_mode & 0o777 for path in copies_in(cli.ledger / "cache")} == {0o600}


def test_a_copy_that_is_there_is_not_made_again(cli: Cli, due: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "connect", None)
    assert asked(cli) == due


def link(copy: Path, other: Path) -> None:
    copy.unlink()
    copy.symlink_to(other)


def folder(copy: Path, other: Path) -> None:
    copy.unlink()
    copy.mkdir()


SPOILT: dict[str, Callable[[Path, Path], object]] = {
    "a byte": lambda copy, other: copy.write_bytes(copy.read_bytes()[:-100] + b"X" + copy.read_bytes()[-99:]),
    "cut": lambda copy, other: copy.write_bytes(copy.read_bytes()[:-1]),
    "empty": lambda copy, other: copy.write_bytes(b""),
    "that of another segment": lambda copy, other: copy.write_bytes(other.read_bytes()),
    "renamed": lambda copy, other: other.replace(copy),
    "a link": link,
    "a folder": folder,
    "missing": lambda copy, other: copy.unlink(),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_copy_that_is_not_what_its_name_says_is_not_read(
    cli: Cli, due: list[str], spoil: Callable[[Path, Path], object]
) -> None:
    copy, other = copies_in(cli.ledger / "cache")
    spoil(copy, other)
    assert asked(cli) == due


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_it_is_made_anew(cli: Cli, due: list[str], spoil: Callable[[Path, Path], object]) -> None:
    cache = cli.ledger / "cache"
    before = {path.name: path.read_bytes() for path in copies_in(cache)}
    spoil(*copies_in(cache))
    if any(path.is_dir() for path in copies_in(cache)):
        cli.ok("rebuild")
    asked(cli)
    assert {path.name: path.read_bytes() for path in copies_in(cache)} == before


def test_a_segment_that_was_brought_back_otherwise_is_copied_anew(cli: Cli, due: list[str]) -> None:
    """It has another line in its middle: its size tells, or its last line."""
    segment = cli.ledger / "events" / "000000000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b"shop-1", b"shop-100"))
    assert asked(cli) != due
    assert "shop-100" in asked(cli)[0]
    assert len(copies_in(cli.ledger / "cache")) == 2


def test_a_copy_of_an_older_format_is_replaced(cli: Cli, due: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name for path in copies_in(cli.ledger / "cache")}
    monkeypatch.setattr(columnar, "_FORMAT", "another")
    assert asked(cli) == due
    after = {path.name for path in copies_in(cli.ledger / "cache")}
    assert len(after) == 2
    assert not after & before


def test_where_none_can_be_made_the_lines_are_read(cli: Cli, due: list[str]) -> None:
    for copy in copies_in(cli.ledger / "cache"):
        copy.unlink()
    elsewhere = cli.ledger.parent / "elsewhere"
    (cli.ledger / "cache").replace(elsewhere)
    (cli.ledger / "cache").symlink_to(elsewhere)
    assert asked(cli) == due
    assert copies_in(elsewhere) == []


def test_a_damaged_segment_has_no_copy_and_is_told(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000006.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"version":2', b'"version";2', 1))
    answer = cli("sql", ASKED[0], "-o", "jsonl")
    assert answer.code == 5
    assert "the log is damaged: 000000000006.jsonl" in answer.err
    assert [path.name[:12] for path in copies_in(cli.ledger / "cache")] == ["000000000001"]


def test_rebuild_makes_them_all(cli: Cli) -> None:
    cli.ok("rebuild")
    assert len(copies_in(cli.ledger / "cache")) == 2


def test_a_ledger_of_one_segment_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = Cli(tmp_path / "small", capsys)
    small.ok("init")
    small.ok("rebuild")
    assert copies_in(small.ledger / "cache") == []


def test_verify_holds_them_against_the_log(cli: Cli, due: list[str]) -> None:
    assert "copies       ok" in cli("verify").out
    first, _ = copies_in(cli.ledger / "cache")
    first.write_bytes(first.read_bytes()[:-1])
    told = json.loads(cli("verify", "-o", "json").out)
    [check] = [check for check in told["checks"] if not check["ok"] and check["check"] == "copies"]
    [problem] = check["problems"]
    assert problem["problem"] == f"cache/{first.name} has other bytes than it was made with, and is not read"


def test_verify_tells_a_copy_whose_values_are_others(cli: Cli, due: list[str]) -> None:
    """Somebody made it of another segment and gave it the name that its bytes have then."""
    first, second = copies_in(cli.ledger / "cache")
    forged = first.with_name(f"{first.name[:-17]}{second.name[-17:]}")
    forged.write_bytes(second.read_bytes())
    first.unlink()
    told = json.loads(cli("verify", "-o", "json").out)
    [check] = [check for check in told["checks"] if check["check"] == "copies"]
    assert [one["problem"] for one in check["problems"]] == [
        f"cache/{forged.name}: it has other values than its segment"
    ]


def test_a_reader_that_is_killed_while_it_copies_leaves_a_ledger_that_answers_rightly(cli: Cli, due: list[str]) -> None:
    for copy in copies_in(cli.ledger / "cache"):
        copy.unlink()
    for moment in ("ledger.scan.check", "os.fsync", "queries.columnar.named", "pathlib.Path.rename"):
        program = f"""
import os, signal, sys
from unittest import mock
from commands import main
from queries import columnar
def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
with mock.patch({moment!r}, killed):
    sys.exit(main.main())
"""
        command = [sys.executable, "-c", program, "--ledger", str(cli.ledger), "sql", ASKED[0], "-o", "jsonl"]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        assert done.returncode == -9, done
        assert copies_in(cli.ledger / "cache") == []
    assert asked(cli) == due
    assert len(copies_in(cli.ledger / "cache")) == 2
    cli.ok("rebuild")
    assert {path.suffix for path in (cli.ledger / "cache").iterdir()} == {columnar.SUFFIX, ".sqlite"}


def test_a_copy_that_cannot_be_read_is_done_without(cli: Cli, due: list[str]) -> None:
    """Its name is right, so somebody made it so."""
    first, _ = copies_in(cli.ledger / "cache")
    junk = b"PAR1 is how such a file begins and ends PAR1"
    first.with_name(f"{first.name[:-16]}{crc32(junk):08x}{columnar.SUFFIX}").write_bytes(junk)
    first.unlink()
    assert asked(cli) == due


def test_verify_tells_of_segments_that_are_no_log_whatever_copies_there_are(cli: Cli, due: list[str]) -> None:
    (cli.ledger / "events" / "backup.jsonl").touch()
    answer = cli("verify")
    assert answer.code == 1
    assert "backup.jsonl" in answer.out


def test_what_a_killed_process_left_is_swept_away_when_it_is_old(cli: Cli) -> None:
    cache = cli.ledger / "cache"
    for name in ("old", "new"):
        (cache / f"copying-{name}.tmp").write_text("half")
        (cache / f"read-{name}").mkdir()
        (cache / f"read-{name}" / "copy.jsonl").write_text("{}")
    (cache / "read-link-old").symlink_to(cli.ledger / "events")
    for path in cache.glob("*old*"):
        os.utime(path, (0, 0), follow_symlinks=False)
    asked(cli)
    left = {path.name for path in cache.iterdir() if path.suffix != columnar.SUFFIX}
    assert left - {"index.sqlite"} == {"copying-new.tmp", "read-new"}
    assert len(list((cli.ledger / "events").iterdir())) == 3


def test_a_copy_is_not_made_of_a_segment_that_is_damaged_and_is_once_it_was_mended(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000001.jsonl"
    good = segment.read_bytes()
    segment.chmod(0o600)
    segment.write_bytes(good.replace(b'"amount":"20.00"', b'"amount":"99.30"'))
    assert "99.3" in cli.ok("sql", "SELECT max(amount) AS most FROM orders", "-o", "csv")
    assert [path.name[:12] for path in copies_in(cli.ledger / "cache")] == ["000000000006"]
    segment.write_bytes(good)
    assert "99.3" not in cli.ok("sql", "SELECT max(amount) AS most FROM orders", "-o", "csv")
    assert len(copies_in(cli.ledger / "cache")) == 2
