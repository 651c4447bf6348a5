"""Every exit code and what it says: what, why, hint, on at most three lines and never a traceback."""

import fcntl
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from freezegun import freeze_time

from commands import import_, main
from ledger.errors import BadInput, StorageFailed
from ledger.formats.facts import Reject
from tests.running import PROGRAM, ROOT, Answer, Cli

PLACED = ("--seller", "shop-1", "--amount", "12.30", "--currency", "USD")
AT = "2024-03-01T10:00:00Z"


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A ledger with one order, 81, and the command line on it."""
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    return cli


def failed(answer: Answer, code: int, *words: str) -> None:
    """Assert that a command failed in the one style of all errors."""
    lines = answer.err.splitlines()
    assert answer.code == code, answer
    assert 1 <= len(lines) <= 3, answer
    assert lines[0].startswith("error: ")
    assert all(line.startswith(("why: ", "hint: ")) for line in lines[1:])
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err


# 1: the answer is no


@pytest.mark.parametrize("verb", [["show"], ["log", "--order"]])
def test_an_order_that_nobody_knows_is_exit_1(cli: Cli, verb: list[str]) -> None:
    failed(cli(*verb, "99"), 1, "no such order: 99", "list --archived")
    failed(cli(*verb, "81", "--as-of", "2024-01-01"), 1, "until then")


# 2: wrong usage


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"),
        (["retract", "81", "--ledger", "x"], "orderledger --ledger DIR retract"),
        (["record", "nonsense", "81"], "nonsense"),
        (["record", "placed", "81", "--nonsense", "x"], "--nonsense"),
        (["record", "placed", "81", "--amount", "1.00", "--currency", "USD"], "--seller"),
        (["record", "placed", "81", "--seller", "s", "--amount", "1,00", "--currency", "USD"], "--amount"),
        (["record", "placed", "8 1", *PLACED], "order id"),
        (["record", "placed", "81", *PLACED, "--items", "[1"], "--items"),
        (["record", "placed", "81", *PLACED, "--items", "[1]"], "--items"),
        (["record", "placed", "81", *PLACED, "--processing-days", "0"], "--processing-days"),
        (["record", "placed", "81", *PLACED, "--processing-days", "x"], "--processing-days"),
        (["record", "processing-extended", "81", "--days", "0"], "1<=x<=3650"),
        (["record"], "a type of event and an order"),
        (["log", "--follow", "-o", "json"], "jsonl"),
        (["log", "--follow", "--to", "log.csv"], "--to"),
        (["record", "placed", "81", *PLACED, "--pay-by", "soon"], "soon"),
        (["record", "placed", "81", *PLACED, "--at", "whenever"], "2d ago"),
        (["record", "placed", "81", *PLACED, "--tz", "Mars"], "Mars"),
        (["record", "placed", "81", *PLACED, "--by", "nobody"], "nobody"),
        (["record", "placed", "81", *PLACED, "--note", "\udcff"], "UTF-8"),
        (["record", "placed", "81", *PLACED, "--note", "a\0b"], "NUL"),
        (["record", "placed", "81", *PLACED, "--expect-version", "-1"], "--expect-version"),
        (["record", "placed", "81", *PLACED, "--wait", "-1"], "--wait"),
        (["record", "placed", "81", *PLACED, "-o", "csv"], "csv"),
        (["record", "feedback-left", "81", "--rating", "superb"], "superb"),
        (["record", "noted", "81", "--fact-id", ""], "--fact-id"),
        (["retract", "81"], "--why"),
        (["init", "--policy", "nonsense"], "nonsense"),
        (["import"], "FILE"),
        (["import", "a.jsonl", "--format", "nonsense"], "nonsense"),
        (["import", "--map", "map.sql", "--sort", "a=b.csv"], "--sort"),
        (["import", "--map", "map.sql", "b.csv"], "NAME=FILE"),
        (["import", "--map", "map.sql", "a=b.csv", "a=c.csv"], "two files are named a"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_is_exit_2_and_names_the_word(cli: Cli, arguments: list[str], word: str) -> None:
    failed(cli(*arguments), 2, word)


def test_init_where_a_ledger_is_is_exit_2(cli: Cli) -> None:
    failed(cli("init"), 2, "there already")


def test_without_arguments_the_help_is_shown(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 2
    assert "Commands:" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(cli: Cli) -> None:
    assert cli("--version", "show", "no-such-order").out == f"orderledger {version('orderledger')}\n"


def test_rejects_may_not_go_into_a_file_that_is_imported(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    failed(cli("import", str(log), "--rejects", str(log)), 2, str(log))
    assert log.read_text() == "{}\n"


# 3: refused


def test_a_refused_fact_says_why_with_its_rule_and_what_to_do(cli: Cli) -> None:
    answer = cli("record", "closed", "81", "--by", "seller", "--reason", "cancelled")
    failed(answer, 3, "error: order 81: the seller cannot close an order", "(R1)", "hint: ")


def test_an_unknown_order_is_refused(cli: Cli) -> None:
    failed(cli("record", "shipped", "82"), 3, "82", "(R7)")


def test_an_unknown_order_cannot_be_retracted(cli: Cli) -> None:
    failed(cli("retract", "99", "--why", "typo"), 3, "unknown order 99")


def test_an_odd_fact_is_refused_at_the_prompt(cli: Cli) -> None:
    failed(cli("record", "verified", "81"), 3, "gap", "--allow-odd")


def test_an_order_without_events_in_force_has_nothing_to_take_back(cli: Cli) -> None:
    cli.ok("retract", "81", "--why", "typo")
    failed(cli("retract", "81", "--why", "again"), 3, "(R23)")


def test_a_version_conflict_says_what_was_expected_and_found(cli: Cli) -> None:
    failed(
        cli("record", "noted", "81", "--expect-version", "7"),
        3,
        "expected version 7, found version 1",
        "--expect-version 1",
    )


# 4: bad input


def test_a_file_that_cannot_be_read_is_exit_4_and_nothing_is_recorded(cli: Cli, tmp_path: Path) -> None:
    good = tmp_path / "good.jsonl"
    good.write_text('{"type":"noted","order_id":"81","occurred_at":"2024-03-01T10:00:00Z"}\n')
    missing = tmp_path / "missing.jsonl"
    failed(cli("import", str(good), str(missing)), 4, str(missing), "nothing was recorded")
    failed(cli("import", str(good), str(tmp_path)), 4, str(tmp_path))
    failed(cli("import", "--map", str(tmp_path / "no.sql"), f"o={good}"), 4, "no.sql", "nothing was recorded")
    failed(cli("import", "--map", str(good), f"o={missing}"), 4, str(missing), "nothing was recorded")
    assert len((cli.ledger / "events" / "000000000001.jsonl").read_bytes().splitlines()) == 1


def test_a_file_that_is_no_facts_log_nor_another_format_is_exit_4_with_the_way_to_map_it(
    cli: Cli, tmp_path: Path
) -> None:
    table = tmp_path / "orders.csv"
    table.write_text("order_id,seller\n81,shop\n")
    failed(cli("import", str(table)), 4, "orders.csv is of no format that is known", "no facts log", "--map")


def test_an_import_that_refused_lines_is_exit_4(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    failed(cli("import", str(log)), 4, "1 line refused", "rejects")


def test_an_attachment_that_cannot_be_read_is_exit_4(cli: Cli, tmp_path: Path) -> None:
    failed(cli("record", "noted", "81", "--attach", str(tmp_path / "missing.jpg")), 4, "missing.jpg")


# 5: the ledger


def test_without_a_ledger_the_hint_is_init(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    monkeypatch.chdir(tmp_path)
    code = main.run(["record", "noted", "81"])
    failed(Answer(code, *capsys.readouterr()), 5, "no ledger found", "orderledger init")


def test_the_nearest_ledger_upwards_is_used_and_the_environment_goes_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main.run(["init"]) == 0
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert main.run(["record", "placed", "81", *PLACED]) == 0
    assert (tmp_path / ".orderledger" / "events" / "000000000001.jsonl").exists()
    monkeypatch.setenv("ORDERLEDGER", str(tmp_path / "missing"))
    assert main.run(["record", "noted", "81"]) == 5
    capsys.readouterr()


def test_a_ledger_of_another_user_found_upwards_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORDERLEDGER", raising=False)
    (tmp_path / ".orderledger").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    code = main.run(["record", "noted", "81"])
    failed(Answer(code, *capsys.readouterr()), 5, "belongs to another user", "--ledger")


def test_a_damaged_line_of_the_order_is_exit_5(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b"shop-1", b"shop-2"))
    failed(cli("record", "noted", "81"), 5)


def test_a_newer_format_is_exit_5(cli: Cli) -> None:
    config = cli.ledger / "ledger.toml"
    config.write_text(config.read_text().replace("format = 1", "format = 2"))
    failed(cli("record", "noted", "81"), 5, "newer")


# 6 and 7: locked, storage


@contextmanager
def locked(cli: Cli) -> Iterator[None]:
    """Hold the ledger as another writer does."""
    with (cli.ledger / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_locked_ledger_is_exit_6_and_says_how_to_try_again(cli: Cli) -> None:
    with locked(cli), freeze_time("2024-03-01T10:00:00.123456Z", ignore=["ledger.store"]):
        answer = cli("record", "noted", "81", "--wait", "0")
    failed(answer, 6, "--at 2024-03-01T10:00:00.123456Z")


def test_a_log_that_cannot_be_written_is_exit_7_and_says_how_to_try_again(cli: Cli) -> None:
    process = subprocess.run(
        [*PROGRAM, "--ledger", str(cli.ledger), "record", "noted", "81", "--at", AT],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},  # writes files too
    )
    failed(Answer(process.returncode, process.stdout, process.stderr), 7, f"--at {AT}")
    assert cli.ok("record", "noted", "81", "--at", AT).startswith("#2 ")


def test_rejects_that_cannot_be_written_are_exit_7_and_the_summary_is_printed(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("{}\n")
    answer = cli("import", str(log), "--rejects", str(tmp_path / "missing" / "rejects.jsonl"))
    failed(answer, 7, "rejects.jsonl")
    assert "0 recorded, 0 duplicates, 1 refused" in answer.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_cannot_be_written_is_exit_7(cli: Cli) -> None:
    with open("/dev/full", "wb") as full:
        process = cli.start("schema", stdout=full.fileno())
        _, err = process.communicate(timeout=30)
    failed(Answer(process.returncode, "", err.decode()), 7, "No space left")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_event_whose_acknowledgement_cannot_be_written_is_said_to_stand(cli: Cli) -> None:
    with open("/dev/full", "wb") as full:
        process = cli.start("record", "noted", "81", "--at", AT, stdout=full.fileno())
        _, err = process.communicate(timeout=30)
    failed(Answer(process.returncode, "", err.decode()), 7, "No space left", "#2 is recorded")
    assert cli.ok("record", "noted", "81", "--at", AT).startswith("already recorded: #2 ")


def test_a_closed_pipe_is_no_error(cli: Cli) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = cli.start("schema", stdout=writing)
    os.close(writing)
    assert (process.communicate(timeout=30)[1], process.returncode) == (b"", 0)


# 130 and 143: interrupted


def wait_until_it_waits(pid: int) -> None:
    """Return once a command has opened the lock that another one holds."""
    opened = Path(f"/proc/{pid}/fd")
    if not opened.exists():
        time.sleep(3)  # no /proc: long enough to start
        return
    lock = False
    while not lock:
        time.sleep(0.01)
        with suppress(FileNotFoundError):  # closed meanwhile
            lock = any(os.readlink(link).endswith("/lock") for link in opened.iterdir())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_so_by_its_exit_code_only(cli: Cli, number: int, code: int) -> None:
    with locked(cli):
        process = cli.start("record", "noted", "81", "--wait", "30")
        wait_until_it_waits(process.pid)
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (code, b"")


def test_storage_goes_before_an_interruption_and_that_before_refused_lines() -> None:
    signals, refused = import_.Signals(), import_.Rejects(None)
    signals.number = signal.SIGINT
    refused.add(Reject("log", 1, "F", "malformed", text="x"))
    with pytest.raises(StorageFailed):
        import_._finish(StorageFailed("disk full"), signals, refused, "")
    for error in (None, BadInput("unreadable")):
        with pytest.raises(typer.Exit) as interrupted:
            import_._finish(error, signals, refused, "")
        assert interrupted.value.exit_code == 130
    with pytest.raises(BadInput):
        import_._finish(None, import_.Signals(), refused, "")


# What is printed


def test_line_ends_and_control_characters_in_an_error_are_shown_as_escapes(cli: Cli) -> None:
    failed(cli("record", "noted", "81", "--at", "now\nor \x1b[31mlater"), 2, r"now\nor \x1b[31mlater")


def test_warnings_are_printed_once_the_command_is_done(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000001.jsonl"
    with segment.open("ab") as file:
        file.write(b'{"seq":2,"torn')
    answer = cli("record", "noted", "81", "-o", "json")
    assert (answer.code, json.loads(answer.out)["seq"]) == (0, 2)
    assert answer.err.startswith("warning: ")


def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    listed = capsys.readouterr().out
    for verb in main.VERBS:
        assert f"\n  {verb} " in listed
        assert main.run([verb, "--help"]) == 0
        assert f"Example: orderledger {verb}" in " ".join(capsys.readouterr().out.split())


def test_a_command_does_not_load_what_only_others_need() -> None:
    program = (
        "import sys, commands.main, commands.record, ledger.book;"
        "sys.exit(bool({'duckdb', 'rich', 'zoneinfo', 'pydantic', 'json'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, check=False, env=_path()).returncode == 0


def _path() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_the_shell_completes_commands_and_event_types() -> None:
    for words, word, expected in (("orderledger re", 1, b"record"), ("orderledger record ver", 2, b"verified")):
        completion = {"_ORDERLEDGER_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(word)}
        process = subprocess.run(PROGRAM, env=os.environ | completion, capture_output=True, cwd=ROOT, check=True)
        assert expected in process.stdout.split()
