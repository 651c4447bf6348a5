"""What goes wrong on a cluster: an executor is killed, a server is not there or goes, files are not what they were."""

import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from commands.main import run
from tests.spark.conftest import There, start

AUDIT = ("audit", "seller-risk", "--now", "2026-06-01")


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run(arguments)
    return code, *capsys.readouterr()


def on(url: str) -> tuple[str, ...]:
    return ("--engine", "spark", "--connect", url)


def every(places: Path) -> tuple[str, ...]:
    return ("--ledger", f"{places}/*")


def test_an_executor_that_is_killed_changes_nothing(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    audit = ("audit", "refunded-closures", "--now", "2026-06-01")
    here = ask(capsys, *every(there.shipped), *audit)
    killed: list[int] = []

    def kill() -> None:
        before = there.executors()
        time.sleep(4)  # the relations are made, or the audit is under way
        os.kill(before[0], signal.SIGKILL)
        killed.append(before[0])

    killer = threading.Thread(target=kill)
    killer.start()
    while killer.is_alive():  # until one was killed while a question was asked
        assert ask(capsys, *every(there.shipped), *audit, *on(there.url)) == here
    assert killed[0] not in there.executors()
    assert ask(capsys, *every(there.shipped), *audit, *on(there.url)) == here


@pytest.mark.parametrize(
    ("url", "code", "what"),
    [
        ("sc://127.0.0.1:1", 7, "no cluster answers at sc://127.0.0.1:1"),
        ("sc://no-such-host.invalid", 7, "no cluster answers at sc://no-such-host.invalid"),
        ("http://127.0.0.1:15002", 2, "http://127.0.0.1:15002 is no Spark Connect server"),
        ("sc://127.0.0.1:port", 2, "sc://127.0.0.1:port is no Spark Connect server"),
        ("sc://127.0.0.1/path", 2, "sc://127.0.0.1/path is no Spark Connect server"),
        ("127.0.0.1", 2, "127.0.0.1 is no Spark Connect server"),
    ],
)
def test_a_server_that_is_not_there_is_told(
    url: str, code: int, what: str, there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    found = ask(capsys, *every(there.shipped), *AUDIT, *on(url))
    assert found[:2] == (code, "")
    assert found[2].startswith(f"error: {what}")
    assert len(found[2].splitlines()) <= 3


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELECT avg(seq) AS a FROM events", "avg"),
        ("SELECT * FROM (SELECT seq FROM events) AS e", "a subquery that is no named CTE"),
        ("SELECT list(seq) AS l FROM events", "list()"),
        ("SELECT date_diff('day', placed_at, closed_at) AS d FROM orders", "date_diff in"),
        ("SELECT * FROM range(3)", "a table function"),
        ("SELECT length(order_id) AS r, hash(order_id) AS h FROM orders", "the function hash"),
    ],
)
def test_what_is_not_portable_is_refused_before_it_is_sent(
    sql: str, named: str, there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = ask(capsys, *every(there.shipped), "sql", sql, *on(there.url))
    assert (code, out) == (2, "")
    assert f"engines do not agree about this SQL: {named}" in err


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT no_such FROM orders", "no_such"),
        ("SELECT * FROM read_parquet('x')", "read_parquet cannot be used here"),
        ("DELETE FROM orders", "the SQL is no SELECT"),
        ("SELECT $x AS x", "which has no value"),
        ("SELECT CAST(order_id AS BIGINT) AS n, 1 FROM orders WHERE seq = 1", "seq"),
    ],
)
def test_what_duckdb_refuses_is_refused_with_the_same_words(
    sql: str, said: str, there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ask(capsys, *every(there.shipped), "sql", sql)
    assert ask(capsys, *every(there.shipped), "sql", sql, *on(there.url)) == here
    assert here[0] == 2
    assert said in here[2]


def test_a_value_that_cannot_be_cast_is_told(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT CAST(type AS TIMESTAMP) AS n FROM events ORDER BY n"
    code, out, err = ask(capsys, *every(there.shipped), "sql", sql, *on(there.url))
    assert (code, out) == (2, "")
    assert "Spark cannot run the SQL" in err


def test_a_question_is_stopped_at_its_time(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT count(*) AS n FROM events AS a CROSS JOIN events AS b CROSS JOIN events AS c WHERE a.seq > b.seq"
    began = time.monotonic()
    code, out, err = ask(capsys, *every(there.shipped), "sql", sql, "--timeout", "8", *on(there.url))
    assert (code, out) == (1, "")
    assert "it ran for more than 8 seconds" in err
    assert time.monotonic() - began < 60


def test_a_ledger_that_was_not_shipped_is_told(
    tmp_path: Path, there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["init", str(tmp_path / "eu")]) == 0
    code, out, err = ask(capsys, "--ledger", str(tmp_path / "eu"), *AUDIT, *on(there.url))
    assert (code, out) == (5, "")
    assert "nothing was shipped to" in err


@pytest.fixture
def copied(there: There, tmp_path: Path) -> Path:
    shutil.copytree(there.shipped / "cn", tmp_path / "places" / "cn")
    shutil.copytree(there.shipped / "us", tmp_path / "places" / "us")
    return tmp_path / "places"


def test_missing_lines_are_told(copied: Path, there: There, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = copied / "cn" / "shipment.json"
    found = json.loads(manifest.read_text())
    found["files"] = [file for file in found["files"] if file["first_seq"] != 1]
    manifest.write_text(json.dumps(found))
    code, out, err = ask(capsys, *every(copied), *AUDIT, *on(there.url))
    assert (code, out) == (5, "")
    assert "lines of the ledger cn are missing, or there twice" in err


@pytest.mark.parametrize("kind", ["columns", "lines"])
def test_a_file_that_cannot_be_read_is_told(
    copied: Path, kind: str, there: There, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = sorted((copied / "us" / kind).iterdir())[-1]
    damaged.write_bytes(damaged.read_bytes()[:-2000] + b"\n{damaged")
    code, out, err = ask(capsys, *every(copied), *AUDIT, *on(there.url))
    assert (code, out) == (5, "")
    assert "a shipped ledger cannot be read by the cluster" in err


def test_a_line_without_a_right_instant_is_told(copied: Path, there: There, capsys: pytest.CaptureFixture[str]) -> None:
    newest = sorted((copied / "us" / "lines").iterdir())[-1]
    newest.write_bytes(newest.read_bytes().replace(b'"occurred_at":"20', b'"occurred_at":"xx', 1))
    sql = "SELECT max(occurred_at) AS latest FROM events"
    code, out, err = ask(capsys, *every(copied), "sql", sql, *on(there.url))
    assert (code, out) == (5, "")
    assert "a shipped ledger cannot be read by the cluster" in err


def test_a_file_that_is_gone_is_told(copied: Path, there: There, capsys: pytest.CaptureFixture[str]) -> None:
    sorted((copied / "us" / "columns").iterdir())[0].unlink()
    code, out, err = ask(capsys, *every(copied), *AUDIT, *on(there.url))
    assert (code, out) == (5, "")
    assert "a shipped ledger cannot be read by the cluster" in err


def test_a_cluster_that_is_lost_is_told(there: There, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its server is killed while it answers: a cluster of its own, for no test can use it any more."""
    own = start(Path(os.environ["SPARK_HOME"]), tmp_path / "cluster")
    try:
        threading.Timer(6, own.server.kill).start()
        code = 0
        while not code:
            code, out, err = ask(capsys, *every(there.shipped), *AUDIT, *on(own.url))
    finally:
        own.stop()
    assert (code, out) == (7, "")
    assert err.startswith(("error: the cluster at sc://", "error: no cluster answers at sc://"))
    assert len(err.splitlines()) <= 3
