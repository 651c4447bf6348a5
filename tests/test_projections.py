"""Projections: an answer made of kept rows is that made of all events, whatever was kept and whatever came since."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import LimitReached
from ledger.events import Recorded
from queries import columnar, projections, relations
from queries.engine import open_relations
from queries.moment import Moment
from queries.relations import PROJECTED, VIEWS
from tests import scenario as s
from tests.logs import log_of, write
from tests.running import ROOT, Cli
from tests.strategies import examples
from tests.test_laws_ledger import ORDERS, draw_moment

PER_SEGMENT = 4
LOG = log_of(
    fact
    for number in range(6)
    for fact in (
        s.placed(at=s.after(number), order_id=f"o{number}"),
        s.paid(at=s.after(number, hours=1), order_id=f"o{number}"),
        s.closed(at=s.after(number, hours=2), order_id=f"o{number}", reason="cancelled"),
    )
)
SQL = "SELECT order_id, status, to_buyer, version FROM orders ORDER BY order_id"


@pytest.fixture(autouse=True, scope="module")
def small() -> Iterator[None]:
    """Let a projection pay at once, and take two segments a step."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(projections, "WORTHWHILE_BYTES", 0)
        patched.setattr(projections, "STEP", 2)
        yield


def answers(
    folder: Path,
    lines: list[Recorded],
    moment: Moment,
    *,
    copies: bool = True,
    views: tuple[str, ...] = ("orders", "closures"),
) -> list[Any]:
    snapshot = write(folder / "events", lines, per_segment=PER_SEGMENT)
    cache = folder / "cache"
    with open_relations(snapshot, moment, scratch=cache, copies=cache if copies else None) as found:
        return [Counter(map(repr, found.run(f"SELECT * FROM {view}", {}).rows)) for view in views]


def kept(cache: Path, name: str = "") -> list[Path]:
    return [path for path in sorted(cache.glob(f"{name}*.parquet")) if not path.name[0].isdigit()]


@examples(2)
@given(ORDERS, st.data())
def test_an_answer_from_projections_is_that_of_all_events(
    tmp_path_factory: pytest.TempPathFactory, log: list[Recorded], data: st.DataObject
) -> None:
    """Also when they were made before later lines came, and at any moment."""
    folder = tmp_path_factory.mktemp("ledger")
    now = Moment(data.draw(st.sampled_from([s.NOW, s.after(0), log[-1].event.occurred_at if log else s.NOW])))
    for length in (data.draw(st.integers(0, len(log))), len(log)):
        then = log[:length]
        assert answers(folder, then, now, views=VIEWS) == answers(folder, then, now, copies=False, views=VIEWS)
    as_of, known_at = draw_moment(data.draw, log)
    past = Moment(s.NOW, as_of, known_at)
    assert answers(folder, log, past, views=VIEWS) == answers(folder, log, past, copies=False, views=VIEWS)


def test_each_costly_relation_has_one_projection_over_all_sealed_segments(tmp_path: Path) -> None:
    answers(tmp_path, LOG, Moment(s.NOW), views=VIEWS)
    names = [path.name[: path.name.index("-") + 13] for path in kept(tmp_path / "cache")]
    assert names == sorted(f"{name.removeprefix('internal.')}-{13:012d}" for name in PROJECTED)
    assert {path.stat().st_mode & 0o777 for path in kept(tmp_path / "cache")} == {0o600}


def test_a_statement_makes_only_the_projections_that_it_reads(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with open_relations(
        write(tmp_path / "events", LOG, per_segment=PER_SEGMENT), Moment(s.NOW), scratch=cache, copies=cache
    ) as found:
        found.run("SELECT count(*) FROM events", {})
        assert kept(cache) == []
        found.run(SQL, {})
        assert len(kept(cache)) == len(kept(cache, "order_rows")) == 1


def read_by(view: str) -> set[str]:
    """The projected relations that a public relation is made of, as its SQL tells, and that of those it is made of."""
    if view in PROJECTED:
        return {view}
    read = re.findall(r"(?:FROM|JOIN) ([a-z_.]+)", relations.view_sql(view))
    return {used for name in read if name in PROJECTED or name in VIEWS for used in read_by(name)}


@pytest.mark.parametrize("view", VIEWS)
def test_a_statement_is_known_to_read_what_its_relations_are_made_of(view: str) -> None:
    assert {*projections.used_by(f"SELECT * FROM {view}")} == read_by(view)


def test_a_projection_that_is_there_is_read_and_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    due = answers(tmp_path, LOG, Moment(s.NOW))
    monkeypatch.setattr(projections, "_step", None)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == due


def test_a_later_one_is_made_from_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(tmp_path, LOG[:9], Moment(s.NOW))
    steps: list[int] = []
    step = projections._step

    def noted(*arguments: Any) -> Path:
        steps.append(arguments[5])
        return step(*arguments)

    monkeypatch.setattr(projections, "_step", noted)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == answers(tmp_path, LOG, Moment(s.NOW), copies=False)
    assert steps == [2, 2]
    assert len(kept(tmp_path / "cache")) == 2


def spoilt(copy: Path) -> None:
    copy.write_bytes(copy.read_bytes()[:-20] + b"X" * 20)


def emptied(copy: Path) -> None:
    copy.write_bytes(b"")


def linked(copy: Path) -> None:
    elsewhere = copy.with_suffix(".elsewhere")
    copy.rename(elsewhere)
    copy.symlink_to(elsewhere)


@pytest.mark.parametrize("spoil", [spoilt, emptied, linked, Path.unlink])
def test_one_that_is_not_what_its_name_says_is_made_anew(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    due = answers(tmp_path, LOG, Moment(s.NOW))
    before = [path.name.rpartition("-")[0] for path in kept(tmp_path / "cache")]
    for path in kept(tmp_path / "cache"):
        spoil(path)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == due
    again = [path.name.rpartition("-")[0] for path in kept(tmp_path / "cache") if not path.is_symlink()]
    assert again == before


def test_one_of_another_log_is_not_taken(tmp_path: Path) -> None:
    answers(tmp_path, LOG, Moment(s.NOW))
    other = log_of(s.placed(at=s.after(number), order_id=f"p{number}") for number in range(18))
    assert answers(tmp_path, other, Moment(s.NOW)) == answers(tmp_path, other, Moment(s.NOW), copies=False)


def test_one_of_another_version_of_the_rules_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(tmp_path, LOG, Moment(s.NOW))
    before = {path.name for path in kept(tmp_path / "cache")}
    monkeypatch.setattr(relations, "definition", lambda name: "another")
    answers(tmp_path, LOG, Moment(s.NOW))
    after = {path.name for path in kept(tmp_path / "cache")}
    assert len(after) == len(before)
    assert not after & before


def test_where_none_can_be_written_all_events_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    due = answers(tmp_path, LOG, Moment(s.NOW), copies=False)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    answers(tmp_path, LOG[:1], Moment(s.NOW))
    monkeypatch.setattr(columnar, "write", full)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == due
    assert kept(tmp_path / "cache") == []


def test_one_that_is_taken_away_while_it_is_read_is_read_to_the_end(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    with open_relations(
        write(tmp_path / "events", LOG, per_segment=PER_SEGMENT), Moment(s.NOW), scratch=cache, copies=cache
    ) as found:
        due = found.run(SQL, {}).rows
        for path in kept(cache):
            path.unlink()
        assert found.run(SQL, {}).rows == due


def test_what_is_recorded_after_a_question_is_in_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    write(cli.ledger / "events", LOG, per_segment=PER_SEGMENT)
    before = cli.ok("sql", SQL, "-o", "csv")
    assert kept(cli.ledger / "cache", "order_rows")
    cli.ok("record", "refunded", "o1", "--amount", "12.30")
    cli.ok("record", "noted", "o2", "--text", "where is it?")
    after = cli.ok("sql", SQL, "-o", "csv")
    changed = {*after.splitlines()} - {*before.splitlines()}
    assert sorted(line.rpartition(",")[0].partition(",")[0] for line in changed) == ["o1", "o2"]
    assert after == cli.ok("sql", SQL, "-o", "csv")


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on the log in segments of four lines, every projection made."""
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    write(made.ledger / "events", LOG, per_segment=PER_SEGMENT)
    made.ok("rebuild")
    assert len(kept(made.ledger / "cache")) == len(PROJECTED)
    return made


def told(cli: Cli) -> list[str]:
    """What verify says of the copies."""
    report = json.loads(cli("verify", "-o", "json").out)
    [check] = [check for check in report["checks"] if check["check"] == "copies"]
    return [one["problem"] for one in check["problems"]]


def test_verify_finds_good_projections_good_also_some_orders_at_a_time(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(cli) == []
    monkeypatch.setattr(projections, "RANGE_EVENTS", 1)
    assert told(cli) == []


def test_verify_tells_projections_with_other_bytes(cli: Cli) -> None:
    for path in kept(cli.ledger / "cache"):
        spoilt(path)
    assert len(told(cli)) == len(PROJECTED)
    assert all("has other bytes than it was made with" in one for one in told(cli))


def test_verify_tells_projections_with_other_rows(cli: Cli) -> None:
    """Somebody wrote them and gave them the names that their bytes have."""
    changed = {"order_rows": "replace(status, 'closed', 'shipped') AS status", "closures": "to_buyer + 1 AS to_buyer"}
    forged = []
    for name, change in changed.items():
        [path] = kept(cli.ledger / "cache", name)
        duckdb.sql(f"COPY (SELECT * REPLACE ({change}) FROM '{path}') TO '{path}.new' (FORMAT parquet)")
        forged.append(path.with_name(columnar.named(path.name.rpartition("-")[0], Path(f"{path}.new"))))
        path.unlink()
        Path(f"{path}.new").rename(forged[-1])
    assert sorted(told(cli)) == sorted(
        f"cache/{path.name} has other rows than are made of the log now" for path in forged
    )


def test_a_reader_that_is_killed_while_it_projects_leaves_a_ledger_that_answers_rightly(cli: Cli) -> None:
    due = cli.ok("sql", SQL, "-o", "csv")
    for moment in ("os.fsync", "queries.columnar.named", "pathlib.Path.rename", "pathlib.Path.hardlink_to"):
        for path in kept(cli.ledger / "cache"):
            path.unlink()
        program = f"""
import os, pathlib, signal, sys
from unittest import mock
from commands import main
from queries import projections
projections.WORTHWHILE_BYTES = 0
def killed(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
step = projections.bring_up
def bring_up(*arguments, **named):
    with mock.patch({moment!r}, killed):
        return step(*arguments, **named)
if {moment!r} == "pathlib.Path.hardlink_to":
    pathlib.Path.hardlink_to = killed
else:
    projections.bring_up = bring_up
sys.exit(main.main())
"""
        command = [sys.executable, "-c", program, "--ledger", str(cli.ledger), "sql", SQL, "-o", "csv"]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        assert done.returncode == -9, done
        assert cli.ok("sql", SQL, "-o", "csv") == due
        assert told(cli) == []


@pytest.mark.parametrize(
    "error", [duckdb.OutOfMemoryException("no room"), duckdb.InvalidInputException("no"), LimitReached("too long")]
)
def test_a_question_for_which_none_can_be_made_is_answered_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """And it is tried once only."""
    steps = []

    def full(*_: object, **__: object) -> None:
        steps.append("tried")
        raise error

    cache = tmp_path / "cache"
    snapshot = write(tmp_path / "events", LOG, per_segment=PER_SEGMENT)
    due = answers(tmp_path, LOG, Moment(s.NOW), copies=False)
    monkeypatch.setattr(projections, "_step", full)
    with open_relations(snapshot, Moment(s.NOW), scratch=cache, copies=cache) as found:
        for _ in range(2):
            assert [Counter(map(repr, found.run("SELECT * FROM orders", {}).rows))] == due[:1]
    assert steps == ["tried"]


def test_a_small_log_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "WORTHWHILE_BYTES", 1 << 20)
    answers(tmp_path, LOG, Moment(s.NOW))
    assert kept(tmp_path / "cache") == []


@pytest.mark.parametrize("error", [PermissionError, OSError(18, "Invalid cross-device link")])
def test_where_files_cannot_have_two_names_projections_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(Path, "hardlink_to", refused)
    cache = tmp_path / "cache"
    snapshot = write(tmp_path / "events", LOG, per_segment=PER_SEGMENT)
    with open_relations(snapshot, Moment(s.NOW), scratch=cache, copies=cache) as found:
        found.run(SQL, {})
        [(sql,)] = found._con.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'order_rows'").fetchall()
        assert "order_rows.parquet" in sql
        assert found._sources[0].cache is not None
    assert answers(tmp_path, LOG, Moment(s.NOW)) == answers(tmp_path, LOG, Moment(s.NOW), copies=False)
    monkeypatch.setattr(shutil, "copyfile", refused)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == answers(tmp_path, LOG, Moment(s.NOW), copies=False)


def test_one_that_is_gone_before_it_is_read_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projections, "bring_up", lambda *_, **__: tmp_path / "gone.parquet")
    assert answers(tmp_path, LOG, Moment(s.NOW)) == answers(tmp_path, LOG, Moment(s.NOW), copies=False)


def test_one_made_of_a_bad_copy_goes_with_it(tmp_path: Path) -> None:
    """Somebody wrote other values into a copy and gave it the name of its bytes; then it was made anew."""
    cache = tmp_path / "cache"
    due = answers(tmp_path, LOG, Moment(s.NOW))
    good = {path.name: path.read_bytes() for path in cache.glob("0*.parquet")}
    [first, *_] = sorted(cache.glob("0*.parquet"))
    duckdb.sql(f"COPY (SELECT * REPLACE ('x' AS status) FROM '{first}') TO '{first}.new' (FORMAT parquet)")
    Path(f"{first}.new").rename(first.with_name(columnar.named(first.name.rpartition("-")[0], Path(f"{first}.new"))))
    first.unlink()
    assert answers(tmp_path, LOG, Moment(s.NOW)) != due
    for path in cache.glob("0*.parquet"):
        path.unlink()
    for name, content in good.items():
        (cache / name).write_bytes(content)
    assert answers(tmp_path, LOG, Moment(s.NOW)) == due


def test_an_older_reader_leaves_a_newer_one_alone(tmp_path: Path) -> None:
    answers(tmp_path, LOG, Moment(s.NOW))
    newest = kept(tmp_path / "cache")
    older = write(tmp_path / "older", LOG[:9], per_segment=PER_SEGMENT)
    cache = tmp_path / "cache"
    with open_relations(older, Moment(s.NOW), scratch=cache, copies=cache) as found:
        found.run(SQL, {})
    assert {*newest} <= {*kept(cache)}


def test_nothing_is_written_through_a_link_in_place_of_the_folder(tmp_path: Path) -> None:
    due = answers(tmp_path, LOG, Moment(s.NOW))
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "cache").rename(elsewhere)
    (tmp_path / "cache").symlink_to(elsewhere)
    for path in kept(elsewhere):
        path.unlink()
    assert answers(tmp_path, LOG, Moment(s.NOW)) == due
    assert kept(elsewhere) == []


def test_a_ledger_whose_name_looks_like_a_pattern_has_its_own_rows_only(tmp_path: Path) -> None:
    for name in ("ledX", "led*", "led?"):
        (tmp_path / name).mkdir()
        assert answers(tmp_path / name, LOG, Moment(s.NOW), views=VIEWS)[0].total() == len(LOG)
    due = answers(tmp_path / "ledX", LOG, Moment(s.NOW), copies=False)
    assert answers(tmp_path / "led*", LOG, Moment(s.NOW)) == due
    assert kept(tmp_path / "led*" / "cache")


def test_verify_holds_orders_with_long_names_against_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of such names a Parquet file does not say the least."""
    monkeypatch.setattr(projections, "RANGE_EVENTS", 1)
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    names = [f"{'€' * 126}{number:02d}" for number in range(18)]
    write(made.ledger / "events", log_of(s.placed(order_id=name) for name in names), per_segment=PER_SEGMENT)
    made.ok("rebuild")
    assert told(made) == []


def test_a_signal_reaches_what_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    step = projections._step

    def interrupted(con: duckdb.DuckDBPyConnection, *arguments: Any) -> Path:
        found.interrupt()
        con.execute("SELECT count(*) FROM range(100000000000)").fetchall()
        return step(con, *arguments)

    snapshot = write(tmp_path / "events", LOG, per_segment=PER_SEGMENT)
    with open_relations(snapshot, Moment(s.NOW), scratch=cache, copies=cache) as found:
        monkeypatch.setattr(projections, "_step", interrupted)
        timer = threading.Timer(0.3, found.interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            found.run(SQL, {})
        timer.join()
