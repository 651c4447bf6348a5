"""The reading commands: the right rows, in every form, and honest about damage."""

import csv
import io
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from commands.demo import order_of
from commands.output import Screen
from ledger.events import TYPES
from tests.running import Cli

SAMPLES = Path(__file__).parent.parent / "sample_logs"
GOOD = [path for path in sorted(SAMPLES.glob("*.jsonl")) if path.name != "broken.jsonl"]
OPEN = order_of(SAMPLES / "still-open.jsonl")
RETRACTED = order_of(SAMPLES / "typing-mistake.jsonl")


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a ledger with all sample logs."""
    cli = Cli(tmp_path / "ledger", capsys)
    with freeze_time("2026-11-01T00:00:00Z"):  # when none of them is in the future
        cli.ok("init")
        cli.ok("import", *map(str, GOOD))
    return cli


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a csv output."""
    return list(csv.DictReader(io.StringIO(text)))


def values(text: str) -> Any:
    """The values of a json output."""
    return json.loads(text)


def log_bytes(cli: Cli) -> bytes:
    """The log as it lies on the disk."""
    return b"".join(path.read_bytes() for path in sorted((cli.ledger / "events").iterdir()))


# list


def test_list_hides_archived_orders_unless_asked(cli: Cli) -> None:
    some, every = rows(cli.ok("list")), rows(cli.ok("list", "--archived"))
    assert {row["archived"] for row in some} == {"false"}
    assert len(every) == len(GOOD)
    assert {row["order_id"] for row in some} < {row["order_id"] for row in every}


def test_a_drawn_list_says_how_many_archived_orders_it_leaves_out(cli: Cli) -> None:
    hidden = len(rows(cli.ok("list", "--archived", "--status", "closed"))) - len(
        rows(cli.ok("list", "--status", "closed"))
    )
    assert f"{hidden} archived orders not shown: --archived" in cli.ok("list", "--status", "closed", "-o", "table")
    assert "not shown" not in cli.ok("list", "--archived", "-o", "table") + cli.ok("list")


def test_list_is_by_the_time_of_placing(cli: Cli) -> None:
    placed = [row["placed_at"] for row in rows(cli.ok("list", "--archived"))]
    assert placed == sorted(placed)


def test_list_is_narrowed_by_status_seller_and_time(cli: Cli) -> None:
    assert [row["order_id"] for row in rows(cli.ok("list", "--status", "shipped"))] == [OPEN]
    sellers = {row["seller"] for row in rows(cli.ok("list", "--archived", "--seller", "GulfGadgets"))}
    assert sellers == {"GulfGadgets"}
    late = rows(cli.ok("list", "--archived", "--since", "2026-01-01", "--until", "2026-02-01"))
    assert late
    assert all("2026-01-01" <= row["placed_at"] <= "2026-02-01" for row in late)


def test_list_sorts_by_a_column_and_stops_at_the_limit(cli: Cli) -> None:
    found = rows(cli.ok("list", "--archived", "--sort", "seller", "--limit", "3"))
    assert [row["seller"] for row in found] == sorted(row["seller"] for row in rows(cli.ok("list", "--archived")))[:3]
    assert cli.ok("list", "--limit", "0").count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sort", 'placed_at" DESC; --'], "no column"),
        (["--status", "lost"], "no status 'lost'"),
        (["--limit", "-1"], "--limit"),
        (["--since", "yesterday-ish"], "not a time"),
        (["--tz", "Mars/Olympus"], "time zone"),
    ],
)
def test_list_refuses_what_it_does_not_know(cli: Cli, arguments: list[str], said: str) -> None:
    answer = cli("list", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert len(answer.err.splitlines()) <= 3


def test_list_is_as_it_was(cli: Cli) -> None:
    found = rows(cli.ok("list", "--as-of", "2026-05-15", "--status", "processing"))
    assert [row["order_id"] for row in found] == [OPEN]
    assert rows(cli.ok("list", "--known-at", "2020-01-01")) == []


def test_a_drawn_list_has_the_amount_with_its_currency(cli: Cli) -> None:
    assert "74.20 USD" in cli.ok("list", "--status", "shipped", "-o", "table")


def test_an_empty_ledger_has_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "empty", capsys)
    cli.ok("init")
    assert rows(cli.ok("list")) == []
    assert values(cli.ok("money", "-o", "json")) == []
    assert "nothing to show" in cli.ok("list", "-o", "table")
    assert rows(cli.ok("log")) == []


# log


def test_log_jsonl_is_the_log_byte_by_byte(cli: Cli, tmp_path: Path) -> None:
    cli.ok("log", "-o", "jsonl", "--to", str(tmp_path / "copy.jsonl"))
    assert (tmp_path / "copy.jsonl").read_bytes() == log_bytes(cli)


def test_log_on_a_terminal_is_the_same_json_with_escapes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.ok("record", "noted", OPEN, "--text", "\u202eevil\x9b", "--at", "2026-06-01")
    exact = cli.ok("log", "-o", "jsonl")
    monkeypatch.setattr("commands.output._screen", lambda no_color: Screen(80, 10_000, colour=False))
    escaped = cli.ok("log", "-o", "jsonl")
    assert "\u202e" in exact
    assert "\u202e" not in escaped
    assert [json.loads(line) for line in escaped.splitlines()] == [json.loads(line) for line in exact.splitlines()]


def test_a_log_that_goes_on_cannot_become_parquet(cli: Cli, tmp_path: Path) -> None:
    answer = cli("log", "--follow", "--to", str(tmp_path / "a.parquet"))
    assert answer.code == 2
    assert "--follow" in answer.err


def test_log_has_one_row_an_event_retracted_ones_included(cli: Cli) -> None:
    found = rows(cli.ok("log", "--order", RETRACTED))
    assert [row["version"] for row in found] == [str(at + 1) for at in range(8)]
    assert [row["type"] for row in found[:4]] == ["placed", "paid", "retracted", "paid"]
    assert found[2]["status"] == "awaiting-payment"
    assert found[1]["odd"] == "overpaid"
    assert found[2]["details"] == "retracts 2, typed 94.50 for 49.50"


def test_log_is_narrowed_by_type_and_seq(cli: Cli) -> None:
    assert {row["type"] for row in rows(cli.ok("log", "--type", "refunded"))} == {"refunded"}
    assert rows(cli.ok("log", "--since-seq", "180"))[0]["seq"] == "180"
    assert rows(cli.ok("log", "--since-seq", "1000")) == []
    answer = cli("log", "--type", "vanished")
    assert answer.code == 2
    assert "no event type 'vanished'" in answer.err
    assert len(TYPES) == 24


def test_log_is_as_it_was(cli: Cli) -> None:
    assert len(rows(cli.ok("log", "--order", OPEN, "--as-of", "2026-05-12T12:00:00Z"))) == 4
    assert rows(cli.ok("log", "--known-at", "2020-01-01")) == []


def test_a_drawn_log_fits_eighty_columns(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.output._screen", lambda no_color: Screen(80, 10_000, colour=False))
    out = cli.ok("log")
    assert max(map(len, out.splitlines())) <= 80
    assert f"{len(log_bytes(cli).splitlines())} rows" in out


def test_log_prints_what_comes_before_damage_and_exits_5(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000001.jsonl"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.chmod(0o600)
    segment.write_bytes(b"".join([*lines[:9], lines[9].replace(b'"version":', b'"versiom":'), *lines[10:]]))
    answer = cli("log", "-o", "jsonl")
    assert answer.code == 5
    assert answer.out.encode() == b"".join(lines[:9])
    assert "damaged" in answer.err


def test_log_follows_and_ends_quietly(cli: Cli) -> None:
    process = cli.start("log", "--follow", "-o", "jsonl", "--type", "noted", stdout=subprocess.PIPE)
    assert process.stdout
    before = [line for line in log_bytes(cli).splitlines(keepends=True) if b'"type":"noted"' in line]
    try:
        assert [process.stdout.readline() for _ in before] == before
        cli.ok("record", "noted", OPEN, "--text", "still waiting", "--at", "2026-10-01")
        assert b"still waiting" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()  # type: ignore[union-attr]  # it is a pipe


def test_log_stops_following_when_nobody_reads_any_more(cli: Cli) -> None:
    for form in ("jsonl", "csv", "table"):
        process = cli.start("log", "--follow", "-o", form, stdout=subprocess.PIPE)
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        try:
            assert (process.wait(10), process.stderr.read()) == (0, b"")
        finally:
            process.kill()
            process.stderr.close()


def test_log_of_an_order_without_events_of_a_type_is_empty(cli: Cli) -> None:
    assert rows(cli.ok("log", "--order", OPEN, "--type", "frozen")) == []


def test_a_closed_pipe_is_no_error(cli: Cli) -> None:
    for arguments in (["log", "-o", "jsonl"], ["list", "--archived"], ["show", OPEN]):
        reader, writer = os.pipe()
        os.close(reader)
        process = cli.start(*arguments, stdout=writer)
        os.close(writer)
        _, err = process.communicate()
        assert (process.returncode, err) == (0, b"")


def test_output_that_cannot_be_written_is_exit_7(cli: Cli, tmp_path: Path) -> None:
    with open("/dev/full", "wb") as full:
        process = cli.start("list", "--archived", stdout=full.fileno())
        _, err = process.communicate()
    assert process.returncode == 7
    assert b"No space left" in err
    assert cli("list", "--to", str(tmp_path / "none" / "a.csv")).code == 7


# money


def test_money_accounts_for_every_cent(cli: Cli) -> None:
    found = rows(cli.ok("money"))
    assert {row["account"] for row in found} <= {"buyer", "escrow", "seller", "refunds"}
    for currency in {row["currency"] for row in found}:
        assert sum(round(float(row["balance"]) * 1000) for row in found if row["currency"] == currency) == 0
    assert "every cent accounted for" in cli.ok("money", "-o", "table")


def test_money_by_month_and_by_seller_agree_with_the_orders(cli: Cli) -> None:
    orders = rows(cli.ok("list", "--archived"))
    for by in ("month", "seller"):
        found = rows(cli.ok("money", "--by", by))
        for column in ("paid", "to_seller", "to_buyer", "refunded"):
            for currency in {row["currency"] for row in orders}:
                expected, given = (
                    sum(round(float(row[column]) * 1000) for row in table if row["currency"] == currency)
                    for table in (orders, found)
                )
                assert given == expected, (by, column, currency)


def test_money_of_a_month_is_what_moved_in_it(cli: Cli) -> None:
    row = next(row for row in rows(cli.ok("money", "--by", "month")) if row["month"] == "2023-10")
    assert row == {
        "month": "2023-10",
        "currency": "USD",
        "paid": "0.00",
        "to_seller": "0.00",
        "to_buyer": "152.00",
        "refunded": "152.00",
    }


# audit


def test_the_catalogue_has_a_question_for_every_audit(cli: Cli) -> None:
    found = {row["audit"]: row["question"] for row in rows(cli.ok("audit"))}
    assert found["refunded-closures"] == "Which closures refunded the buyer?"
    assert all(question.endswith("?") for question in found.values())


def test_an_audit_takes_its_parameters_as_options(cli: Cli) -> None:
    found = rows(cli.ok("audit", "refunded-closures", "--reason", "security", "--since", "2026-01-01"))
    assert [row["order_id"] for row in found] == [order_of(SAMPLES / "frozen-then-refunded.jsonl")]
    helped = cli.ok("audit", "refunded-closures", "--help")
    assert "--since T" in helped
    assert "only closures from then on" in helped


def test_common_options_stand_before_or_after_the_name(cli: Cli) -> None:
    assert cli.ok("audit", "-o", "json", "split-closures") == cli.ok("audit", "split-closures", "-o", "json")


def test_there_is_no_other_audit(cli: Cli) -> None:
    answer = cli("audit", "none-such")
    assert (answer.code, answer.out) == (2, "")
    assert "none-such" in answer.err


def test_own_audits_come_from_the_ledger_and_from_a_folder(cli: Cli, tmp_path: Path) -> None:
    header = "-- question: How many?\n-- params: least BIGINT = 1   at least so many\n"
    sql = header + "SELECT count(*) AS orders FROM orders HAVING count(*) >= $least"
    (cli.ledger / "audits" / "how-many.sql").write_text(sql)
    assert rows(cli.ok("audit", "how-many")) == [{"orders": str(len(GOOD))}]
    assert rows(cli.ok("audit", "how-many", "--least", "1000")) == []
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "many-more.sql").write_text(sql)
    assert cli.ok("audit", "--audits", str(tmp_path / "more"), "many-more") == cli.ok("audit", "how-many")
    assert cli.ok("audit", "many-more", f"--audits={tmp_path / 'more'}") == cli.ok("audit", "how-many")


def test_an_audit_of_ones_own_that_does_harm_is_refused_by_its_name(cli: Cli) -> None:
    file = cli.ledger / "audits" / "harm.sql"
    file.write_text("-- question: What?\nCOPY (SELECT 1) TO '/tmp/harm.csv'")
    answer = cli("audit", "harm")
    assert (answer.code, answer.out) == (2, "")
    assert str(file) in answer.err


# sql


def test_sql_answers_from_an_argument_a_file_and_stdin(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "SELECT count(*) AS n FROM orders WHERE seller = $seller"
    expected = [{"n": "2"}]
    assert rows(cli.ok("sql", query, "-p", "seller=GulfGadgets")) == expected
    (tmp_path / "q.sql").write_text(query)
    assert rows(cli.ok("sql", "-f", str(tmp_path / "q.sql"), "-p", "seller=GulfGadgets")) == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(query.encode())))
    assert rows(cli.ok("sql", "-", "-p", "seller=GulfGadgets")) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "one query"),
        (["SELECT 1", "-f", "x.sql"], 2, "one query"),
        (["-f", "/none.sql"], 4, "cannot read"),
        (["SELECT 1", "-p", "seller"], 2, "NAME=VALUE"),
        (["SELECT 1", "-o", "parquet"], 2, "--to FILE"),
        (["SELECT $a"], 2, "$a"),
        (["SELECT 1", "--memory", "lots"], 2, "lots"),
        (["SELECT 1; SELECT 2"], 2, "2 statements"),
        (["CREATE TABLE a (b INT)"], 2, "SELECT"),
        (["SELECT * FROM '/etc/passwd'"], 2, "a file cannot be used"),
        (["SELECT count(*) FROM range(10000000000000) a", "--timeout", "0.2"], 1, "stopped"),
    ],
)
def test_sql_refuses_with_a_reason(cli: Cli, arguments: list[str], code: int, said: str) -> None:
    answer = cli("sql", *arguments)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert len(answer.err.splitlines()) <= 3


def test_sql_knows_the_moment(cli: Cli) -> None:
    assert values(cli.ok("sql", "SELECT $now AS now", "-o", "json", "--now", "2024-01-01")) == [
        {"now": "2024-01-01T00:00:00Z"}
    ]


def test_help_offers_the_formats_there_are(cli: Cli) -> None:
    assert "<table|json|jsonl>" in cli.ok("show", "--help")
    assert "terminals and pipes alike get table" in " ".join(cli.ok("policy", "--help").split())
    assert "a pipe csv" in " ".join(cli.ok("list", "--help").split())


def test_every_table_comes_in_every_format(cli: Cli, tmp_path: Path) -> None:
    for verb in ("list", "log", "money", "audit"):
        expected = rows(cli.ok(verb))
        assert len(values(cli.ok(verb, "-o", "json"))) == len(expected)
        assert cli.ok(verb, "-o", "md").count("\n") == len(expected) + 2
        assert cli.ok(verb, "-o", "tsv").count("\n") >= len(expected) + 1
        assert cli.ok(verb, "-o", "table")
        cli.ok(verb, "--to", str(tmp_path / f"{verb}.parquet"))
        assert (tmp_path / f"{verb}.parquet").read_bytes()[:4] == b"PAR1"


def test_queries_answer_from_what_comes_before_damage_and_exit_5(cli: Cli) -> None:
    segment = cli.ledger / "events" / "000000000001.jsonl"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.chmod(0o600)
    segment.write_bytes(b"".join([*lines[:50], b"{broken\n", *lines[51:]]))
    answer = cli("sql", "SELECT count(*) AS events FROM events")
    assert (answer.code, rows(answer.out)) == (5, [{"events": "50"}])
    assert "line 51" in answer.err


# demo


def test_demo_walks_through_and_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    answer = Cli(tmp_path / "unused", capsys)("demo")
    assert answer.code == 0
    commands = re.findall(r"^\$ orderledger (\w+)", answer.out, re.MULTILINE)
    assert commands == ["init", "import", "list", "show", "show", "show", "audit", "money", "import"]
    assert "every cent accounted for" in answer.out
    assert "lines refused" in answer.err
    assert list(tmp_path.iterdir()) == []


def test_demo_keeps_its_ledger_where_it_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "kept", capsys)
    assert f"orderledger --ledger {tmp_path / 'kept'} list" in cli("demo", str(tmp_path / "kept")).out
    assert len(rows(cli.ok("list", "--archived"))) > len(GOOD)
    assert cli("demo", str(tmp_path / "kept")).code == 2


def test_reading_needs_a_ledger(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "none", capsys)
    for arguments in (["list"], ["show", "1"], ["log"], ["money"], ["sql", "SELECT 1"], ["audit", "split-closures"]):
        assert cli(*arguments).code == 5
