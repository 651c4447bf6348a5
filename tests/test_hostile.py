"""What a hostile user or a bad day tries: closed streams, lost lines, output over the log, sizes that make no sense."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import PROGRAM, ROOT, Cli


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    made.ok("record", "placed", "81", "--seller", "s", "--amount", "5", "--currency", "USD", "--at", "2026-01-01")
    return made


def through_a_shell(cli: Cli, redirection: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a command with a redirection that only a shell can make."""
    script = f'exec "$@" {redirection}'
    command = ["sh", "-c", script, "sh", *PROGRAM, "--ledger", str(cli.ledger), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)


def segment(cli: Cli) -> Path:
    return cli.ledger / "events" / "000000000001.jsonl"


def test_with_stdout_closed_nothing_is_done(cli: Cli) -> None:
    before = segment(cli).read_bytes()
    done = through_a_shell(cli, ">&-", "record", "noted", "81", "--text", "x")
    assert (done.returncode, segment(cli).read_bytes()) == (7, before)
    assert b"stdout is closed" in done.stderr


@pytest.mark.parametrize("option", [[], ["--atomic"], ["--sort"], ["--dry-run"]])
def test_a_closed_stdin_cannot_be_imported(cli: Cli, option: list[str]) -> None:
    done = through_a_shell(cli, "<&-", "import", *option, "-")
    assert (done.returncode, b"cannot read -" in done.stderr) == (4, True), done.stderr


def test_a_full_output_is_a_failure_of_storage(cli: Cli) -> None:
    assert through_a_shell(cli, ">/dev/full", "list").returncode == 7


def test_an_argument_that_is_no_utf8_is_wrong_usage(cli: Cli) -> None:
    for arguments in (["show"], ["log", "--order"], ["list", "--seller"], ["sql"]):
        command = [*PROGRAM, "--ledger", str(cli.ledger), *arguments]
        done = subprocess.run(
            [os.fsencode(part) for part in command] + [b"\xff"], cwd=ROOT, capture_output=True, check=False
        )
        assert (done.returncode, b"Traceback" in done.stderr) == (2, False), (arguments, done.stderr)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_query_without_a_traceback(cli: Cli, number: signal.Signals, code: int) -> None:
    query = "SELECT sum(hash(range)) FROM range(1000000000000)"
    program = f"""
import os, sys, threading
from commands.main import main
threading.Timer(1.5, os.kill, (os.getpid(), {int(number)})).start()
sys.exit(main())
"""
    command = [sys.executable, "-c", program, "--ledger", str(cli.ledger), "sql", query]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (code, b"")


def test_a_line_taken_out_of_the_log_is_missed_when_the_index_is_made(cli: Cli) -> None:
    for number in range(3):
        cli.ok("record", "noted", "81", "--text", f"{number}", "--at", f"2026-01-0{number + 2}")
    lines = segment(cli).read_bytes().splitlines(keepends=True)
    segment(cli).write_bytes(b"".join(lines[:1] + lines[2:]))
    answer = cli("rebuild")
    assert (answer.code, "seq 3 where 2 is due" in answer.err) == (5, True)


def test_an_empty_last_segment_is_removed_by_repair(cli: Cli) -> None:
    (cli.ledger / "events" / "000000000002.jsonl").touch()
    assert cli("record", "noted", "81", "--text", "x").code == 5
    assert "is removed" in cli.ok("repair")
    cli.ok("record", "noted", "81", "--text", "x")


@pytest.mark.parametrize("target", ["events/000000000001.jsonl", "ledger.toml", "cache/index.sqlite"])
def test_nothing_is_written_over_a_ledgers_own_files(cli: Cli, tmp_path: Path, target: str) -> None:
    before = {path: path.read_bytes() for path in cli.ledger.rglob("*") if path.is_file()}
    bad = tmp_path / "bad.jsonl"
    bad.write_text("nonsense\n{")
    path = str(cli.ledger / target)
    assert cli("list", "-o", "jsonl", "--to", path).code == 2
    assert cli("import", str(bad), "--format", "facts", "--rejects", path).code == 2
    assert {path: path.read_bytes() for path in cli.ledger.rglob("*") if path.is_file()} == before


def test_refused_rows_are_not_written_over_the_map_or_its_tables(cli: Cli, tmp_path: Path) -> None:
    table, mapping = tmp_path / "o.csv", tmp_path / "m.sql"
    table.write_text("id\n1\n")
    mapping.write_text("SELECT 'noted' AS type, id AS order_id, TIMESTAMP '2026-01-01' AS occurred_at FROM o")
    for path in (table, mapping):
        assert cli("import", "--map", str(mapping), f"o={table}", "--rejects", str(path)).code == 2
    assert table.read_text() == "id\n1\n"


def test_limits_that_make_no_sense_are_wrong_usage_and_small_ones_a_clear_stop(cli: Cli) -> None:
    for arguments in (["--timeout", "inf"], ["--timeout", "nan"], ["--memory", "-1"], ["--memory", "lots"]):
        assert cli("sql", "SELECT 1", *arguments).code == 2, arguments
    assert cli("list", "--limit", str(2**63)).code == 2
    assert cli("sql", "SELECT * FROM orders", "--memory", "1KB").code == 1


def test_an_unknown_order_cannot_be_retracted(cli: Cli) -> None:
    assert cli("retract", "nope", "--why", "x").code == 3


def test_folders_that_git_would_not_keep_are_made_again(cli: Cli, tmp_path: Path) -> None:
    for name in ("rejects", "checkpoints", "audits", "cache"):
        (cli.ledger / name).rmdir()
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"type":"nonsense"}')
    answer = cli("import", str(bad), "-o", "json")
    assert (answer.code, json.loads(answer.out)["refused"]) == (4, 1)
    cli.ok("repair")
    cli.ok("rebuild")
    cli.ok("money")


def test_show_tells_what_comes_before_the_damage_and_warns(cli: Cli) -> None:
    cli.ok("record", "paid", "81", "--amount", "5", "--at", "2026-01-02")
    segment(cli).write_bytes(segment(cli).read_bytes().replace(b'"paid"', b'"Paid"'))
    answer = cli("show", "81")
    assert (answer.code, "placed the order" in answer.out, "paid" in answer.err) == (5, True, False)
    assert "damaged" in answer.err
    segment(cli).write_bytes(segment(cli).read_bytes().replace(b'"placed"', b'"Placed"'))
    assert cli("show", "81").code == 5
