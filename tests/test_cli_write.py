"""The writing commands: what is acknowledged, what an import sums up, and that both are in the log."""

import hashlib
import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from freezegun import freeze_time

from commands import progress
from ledger.book import Ledger
from ledger.events import TYPES
from ledger.formats import facts
from ledger.importing import Summary
from tests.running import Cli

PLACED = ("--seller", "shop-1", "--amount", "12.30", "--currency", "USD")
AT = "2024-03-01T10:00:00Z"


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A new ledger and the command line on it."""
    cli = Cli(tmp_path / "ledger", capsys)
    cli.ok("init")
    return cli


def fact(order_id: str = "81", type: str = "placed", at: str = AT, **fields: Any) -> bytes:  # noqa: A002 - the field's name
    """One line of a facts log; a placed order unless said otherwise."""
    if type == "placed":
        fields = {"seller": "shop-1", "amount": "12.30", "currency": "USD"} | fields
    return json.dumps({"type": type, "order_id": order_id, "occurred_at": at} | fields).encode()


def log_of(cli: Cli) -> list[dict[str, Any]]:
    """The lines of the log, decoded."""
    return [
        json.loads(line)
        for path in sorted((cli.ledger / "events").iterdir())
        for line in path.read_bytes().splitlines()
    ]


# init


def test_init_makes_a_private_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli = Cli(tmp_path / "new", capsys)
    assert cli.ok("init") == f"new ledger in {tmp_path / 'new'}\n"
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "ledger.toml").stat().st_mode & 0o777 == 0o600


def test_init_makes_the_folder_it_is_told_rather_than_the_common_one(cli: Cli, tmp_path: Path) -> None:
    cli.ok("init", str(tmp_path / "other"))
    assert Ledger.open(tmp_path / "other").config.id != Ledger.open(cli.ledger).config.id


# record


def test_record_acknowledges_with_seq_order_version_and_status(cli: Cli) -> None:
    assert cli.ok("record", "placed", "81", *PLACED, "--at", AT) == "#1 81 v1 awaiting-payment\n"
    assert cli.ok("record", "paid", "81", "--amount", "12.30", "--at", AT) == "#2 81 v2 verifying-payment\n"


def test_the_same_fact_again_is_no_error_and_names_its_seq(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    assert cli.ok("record", "placed", "81", *PLACED, "--at", AT) == "already recorded: #1 81 v1 awaiting-payment\n"
    assert len(log_of(cli)) == 1


def test_the_json_of_record_is_the_line_appended(cli: Cli) -> None:
    printed = cli.ok("record", "placed", "81", *PLACED, "-o", "json")
    assert printed.encode() == (cli.ledger / "events" / "000000000001.jsonl").read_bytes()


def test_the_time_is_now_unless_given(cli: Cli) -> None:
    with freeze_time("2024-03-01T10:00:00.123456Z"):
        line = json.loads(cli.ok("record", "placed", "81", *PLACED, "-o", "json"))
    assert line["event"]["occurred_at"] == line["recorded_at"] == "2024-03-01T10:00:00.123456Z"


def test_a_time_without_zone_is_of_the_zone_asked_for(cli: Cli) -> None:
    printed = cli.ok(
        "record", "placed", "81", *PLACED, "--at", "2024-10-27 02:30", "--tz", "Europe/Berlin", "-o", "json"
    )
    event = json.loads(printed)["event"]
    assert (event["occurred_at"], event["ambiguous_time"]) == ("2024-10-27T00:30:00Z", True)


def test_other_instants_and_days_are_read_too(cli: Cli) -> None:
    options = ("--pay-by", "2024-03-02", "--processing-days", "3")
    event = json.loads(cli.ok("record", "placed", "81", *PLACED, "--at", AT, *options, "-o", "json"))["event"]
    assert (event["pay_by"], event["processing_days"]) == ("2024-03-02T00:00:00Z", 3)


def test_nested_fields_are_given_as_json(cli: Cli) -> None:
    items = '[{"quantity":2,"price":"6.15","title":"cup"}]'
    line = json.loads(cli.ok("record", "placed", "81", *PLACED, "--items", items, "-o", "json"))
    assert line["event"]["items"] == json.loads(items)


def test_attached_files_are_kept_by_name_and_hash(cli: Cli, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(name.encode())
    cli.ok("record", "placed", "81", *PLACED)
    files = ("--attach", str(tmp_path / "a.jpg"), "--attach", str(tmp_path / "b.jpg"))
    line = json.loads(cli.ok("record", "noted", "81", "--text", "photos", *files, "-o", "json"))
    assert line["event"]["attachments"] == [
        {"name": name, "sha256": hashlib.sha256(name.encode()).hexdigest()} for name in ("a.jpg", "b.jpg")
    ]


def test_actor_fact_id_source_and_note_are_kept(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED)
    options = ("--by", "seller", "--fact-id", "f1", "--source", "mail", "--note", "n")
    event = json.loads(cli.ok("record", "noted", "81", *options, "-o", "json"))["event"]
    assert (event["actor"], event["fact_id"], event["source"], event["note"]) == ("seller", "f1", "mail", "n")


def test_an_odd_fact_needs_leave_and_is_acknowledged_with_its_flags(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    refused = cli("record", "verified", "81", "--at", AT)
    assert refused.code == 3
    assert "--allow-odd" in refused.err
    first, second = cli.ok("record", "verified", "81", "--at", AT, "--allow-odd").splitlines()
    assert first == "#2 81 v2 processing"
    assert second.startswith("odd: gap")


def test_expect_version_lets_only_the_expected_version_pass(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED, "--at", AT, "--expect-version", "0")
    cli.ok("record", "placed", "81", *PLACED, "--at", AT, "--expect-version", "0")  # the same fact is no conflict
    conflict = cli("record", "paid", "81", "--amount", "12.30", "--expect-version", "2")
    assert (conflict.code, "expected version 2, found version 1" in conflict.err) == (3, True)
    cli.ok("record", "paid", "81", "--amount", "12.30", "--expect-version", "1")


@pytest.mark.parametrize("tag", TYPES)
def test_every_event_type_has_a_sub_command_with_help_and_example(cli: Cli, tag: str) -> None:
    printed = cli.ok("record", tag, "--help")
    assert " ".join((TYPES[tag].__doc__ or "").split()) in " ".join(printed.split())
    assert f"Example: orderledger record {tag}" in printed
    for field in TYPES[tag].__struct_fields__:
        option = {"order_id": "ORDER", "occurred_at": "--at", "actor": "--by", "attachments": "--attach"}.get(field)
        assert (option or f"--{field.replace('_', '-')}") in printed


BEFORE = {
    "placed": "",
    "paid": "placed",
    "verified": "placed paid",
    "dispute-withdrawn": "placed paid verified shipped dispute-opened",
    "dispute-resolved": "placed paid verified shipped dispute-opened",
    "unfrozen": "placed paid verified frozen",
    "cancel-accepted": "placed paid verified cancel-requested",
    "cancel-declined": "placed paid verified cancel-requested",
    "refunded": "placed paid verified closed",
    "refund-failed": "placed paid verified closed",
    "feedback-left": "placed paid verified shipped delivered-scan confirmed",
    "confirmed": "placed paid verified shipped delivered-scan",
} | dict.fromkeys(
    ("scanned", "delivered-scan", "protection-extended", "dispute-opened"), "placed paid verified shipped"
)
"""What makes the example of a type possible; after `placed paid verified` unless said otherwise."""


@pytest.mark.parametrize("tag", TYPES)
def test_the_example_of_every_event_type_is_accepted_as_it_stands(cli: Cli, tag: str) -> None:
    for step in (*BEFORE.get(tag, "placed paid verified").split(), tag):
        printed = " ".join(cli.ok("record", step, "--help").split())
        cli.ok(*shlex.split(printed.partition("Example: orderledger ")[2].partition(" Arguments:")[0]))


def test_a_time_may_be_given_without_a_zone_and_the_help_says_so(cli: Cli) -> None:
    assert "a time without a zone is in the zone of --tz" in " ".join(cli.ok("record", "paid", "--help").split())


# retract


def test_retract_takes_back_the_latest_event_in_force(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    cli.ok("record", "paid", "81", "--amount", "1.00", "--at", AT)
    assert cli.ok("retract", "81", "--why", "wrong amount") == "#3 81 v3 awaiting-payment\n"
    assert cli.ok("retract", "81", "--why", "wrong order") == "#4 81 v4 none\n"
    assert [line["event"].get("retracts") for line in log_of(cli)] == [None, None, 2, 1]


def test_a_repeated_retraction_takes_nothing_more_back(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    cli.ok("record", "paid", "81", "--amount", "1.00", "--at", AT)
    cli.ok("retract", "81", "--why", "wrong amount", "--at", AT)
    assert cli.ok("retract", "81", "--why", "wrong amount", "--at", AT).startswith("already recorded: #3 ")


def test_retracted_can_be_recorded_like_any_other_type(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED)
    assert cli.ok("record", "retracted", "81", "--retracts", "1", "--why", "typo") == "#2 81 v2 none\n"


# import


def test_an_import_sums_up_what_became_of_the_lines(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(
        b"\n".join([fact(), fact(), b"", fact(type="verified"), b"nonsense", fact("82", "paid", amount="1")])
    )
    answer = cli("import", str(log), "-o", "json")
    summary = json.loads(answer.out)
    rejects = Path(summary.pop("rejects"))
    assert summary.pop("seconds") >= 0
    assert summary == {"read": 5, "recorded": 2, "duplicates": 1, "odd": 1, "refused": 2}
    assert answer.code == 4
    assert rejects.parent == cli.ledger / "rejects"
    assert rejects.stat().st_mode & 0o777 == 0o600
    kept = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    assert [(line["file"], line["line"], line["rule"]) for line in kept] == [(str(log), 5, "F"), (str(log), 6, "R7")]
    assert [line["text"].encode() for line in kept] == [b"nonsense", fact("82", "paid", amount="1")]


def test_the_summary_in_words_counts_the_refused_by_rule_with_an_example(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact() + b"\n" + fact("82", "confirmed") + b"\n" + fact("83", "confirmed"))
    answer = cli("import", str(log))
    first, second = answer.out.splitlines()
    assert first.startswith("read 3 lines in ")
    assert first.endswith(": 1 recorded, 0 duplicates, 2 refused")
    assert second.startswith(f"2 refused by R7, such as {log}:2: unknown order 82")
    assert answer.err.startswith("error: 2 lines refused\nhint: mend them in ")


def test_one_refused_line_is_it_and_one_duplicate_is_one(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact() + b"\n" + fact() + b"\n" + fact("82", "confirmed"))
    answer = cli("import", str(log))
    assert ": 1 recorded, 1 duplicate, 1 refused" in answer.out
    assert "hint: mend it in " in answer.err


def test_what_a_map_makes_is_counted_in_rows(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id\n81\n")
    sql = tmp_path / "m.sql"
    sql.write_text("SELECT 'confirmed' AS type, id AS order_id, '2024-03-01T10:00:00Z' AS occurred_at FROM o")
    told = cli("import", "--map", str(sql), f"o={tmp_path / 'o.csv'}").out
    assert told.startswith("read 1 row in ")
    assert f"such as row 1 of {sql}: unknown order 81" in told


def test_a_second_import_records_nothing(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact() + b"\n" + fact(type="paid", amount="12.30") + b"\n")
    cli.ok("import", str(log))
    assert "0 recorded, 2 duplicates, 0 refused" in cli.ok("import", str(log))


def test_rejects_can_be_imported_once_they_are_right(cli: Cli, tmp_path: Path) -> None:
    late, rejects = tmp_path / "late.jsonl", tmp_path / "rejects.jsonl"
    late.write_bytes(fact(type="paid", amount="12.30"))
    assert cli("import", str(late), "--rejects", str(rejects)).code == 4
    cli.ok("record", "placed", "81", *PLACED, "--at", AT)
    assert "1 recorded" in cli.ok("import", str(rejects))


def test_lines_that_are_not_utf8_are_kept_as_base64(cli: Cli, tmp_path: Path) -> None:
    log, rejects = tmp_path / "log.jsonl", tmp_path / "rejects.jsonl"
    log.write_bytes(fact() + b"\n\xff\xfe\n")
    cli("import", str(log), "--rejects", str(rejects))
    assert json.loads(rejects.read_bytes())["bytes"] == "//4="


def test_a_byte_order_mark_carriage_returns_and_a_last_line_without_end_are_read(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\xef\xbb\xbf" + fact("81") + b"\r\n  \r\n" + fact("82"))
    assert "read 2 lines" in cli.ok("import", str(log))


@pytest.mark.parametrize("surplus", [0, 1, 2, 3, 1 << 18, 3 << 20])
def test_a_line_over_a_mebibyte_is_refused_and_the_next_one_is_read(cli: Cli, tmp_path: Path, surplus: int) -> None:
    log = tmp_path / "log.jsonl"
    longest = fact("82", note="")
    longest = longest[:-2] + b"x" * ((1 << 20) + surplus - len(longest)) + b'"}'
    log.write_bytes(fact("81") + b"\n" + longest + b"\r\n" + fact("83"))
    summary = json.loads(cli("import", str(log), "-o", "json").out)
    assert (summary["read"], summary["refused"]) == (3, 1 if surplus else 0)
    if surplus:
        reject = json.loads(Path(summary["rejects"]).read_bytes())
        assert (reject["line"], reject["rule"]) == (2, "F")
        assert len(reject["text"]) <= facts.MAX_REJECT_BYTES


def test_strict_refuses_odd_facts_too(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact() + b"\n" + fact(type="verified"))
    assert "1 recorded, 0 duplicates, 1 refused" in cli("import", str(log), "--strict").out


def test_atomic_records_all_or_nothing(cli: Cli, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(fact())
    bad.write_bytes(b"nonsense\n{}")
    answer = cli("import", "--atomic", str(good), str(bad))
    assert (answer.code, log_of(cli)) == (4, [])
    assert "0 recorded" in answer.out
    cli.ok("import", "--atomic", str(good))
    assert len(log_of(cli)) == 1


def test_a_dry_run_decides_and_writes_nothing(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact() + b"\n" + fact(type="paid", amount="99999999999999999999"))
    answer = cli("import", "--dry-run", str(log))
    assert "dry run, the ledger is unchanged: read 2 lines" in answer.out
    assert "1 would be recorded, 0 duplicates, 1 refused" in answer.out
    assert (answer.code, log_of(cli), list((cli.ledger / "rejects").iterdir())) == (4, [], [])


def test_sort_brings_lines_into_the_order_of_their_time(cli: Cli, tmp_path: Path) -> None:
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    first.write_bytes(b"\n".join([fact(type="paid", amount="12.30", at="2024-03-02T10:00:00Z"), b"{nonsense"]))
    second.write_bytes(fact(at="2024-03-01T10:00:00Z"))
    rejects = tmp_path / "rejects.jsonl"
    answer = cli("import", "--sort", str(first), str(second), "--rejects", str(rejects))
    assert "2 recorded, 0 duplicates, 1 refused" in answer.out
    assert [line["event"]["type"] for line in log_of(cli)] == ["placed", "paid"]
    assert json.loads(rejects.read_bytes())["line"] == 2


def test_a_format_that_is_named_is_not_guessed(cli: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"nonsense\n")
    assert "1 refused" in cli("import", str(log), "--format", "facts").out
    assert cli("import", str(log)).out == ""


def test_stdin_is_a_file_too(cli: Cli) -> None:
    process = cli.start("import", "-", "--atomic", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, err = process.communicate(fact() + b"\n" + fact("82"), timeout=30)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(b"read 2 lines")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_import_with_its_summary(cli: Cli, tmp_path: Path, number: int, code: int) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = cli.start("import", str(fifo), stdout=subprocess.PIPE)
    with fifo.open("wb") as writer:
        writer.write(fact("81") + b"\n" + fact("82") + b"\n" + fact("83")[:20])
        writer.flush()
        time.sleep(0.3)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out.startswith(b"read 2 lines")
    assert err.startswith(b"interrupted: import it again for the rest")
    assert len(log_of(cli)) == 2


def test_the_progress_bar_is_for_terminals(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(fact())
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress.shown(100) as shown:
        shown.seen(50)
        shown.heard(Summary(read=7, recorded=7))
    assert "50%" in capsys.readouterr().err
    assert cli("import", str(log)).code == 0


# repair, rebuild, schema, policy


def test_repair_says_that_nothing_is_damaged(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED)
    assert cli.ok("repair").strip()


def test_rebuild_makes_the_index_anew(cli: Cli) -> None:
    cli.ok("record", "placed", "81", *PLACED)
    cli.ok("rebuild")
    cli.ok("record", "paid", "81", "--amount", "12.30")


def test_the_schema_is_made_from_the_structs(cli: Cli) -> None:
    schema = json.loads(cli.ok("schema"))
    assert schema["$ref"] == "#/$defs/Recorded"
    assert len(schema["$defs"]["Fact"]["anyOf"]) == len(TYPES)
    assert "\\Z" not in json.dumps(schema)


def test_the_public_relations_are_listed_with_columns_and_types(cli: Cli) -> None:
    rows = json.loads(cli.ok("schema", "--sql", "-o", "json"))
    assert ("orders", "order_id", "VARCHAR") in [(row["relation"], row["column"], row["type"]) for row in rows]
    assert all(row["description"] for row in rows)
    assert ("events", "seq", "BIGINT") in [(row["relation"], row["column"], row["type"]) for row in rows]


def test_the_policy_lists_each_number_with_its_meaning_and_diff_only_what_differs(cli: Cli) -> None:
    assert "ship_days" in cli.ok("policy")
    assert json.loads(cli.ok("policy", "--diff", "-o", "json")) == []
    (cli.ledger / "policy.toml").write_text("ship_days = 9\n")
    (row,) = json.loads(cli.ok("policy", "--diff", "-o", "json"))
    assert (row["setting"], row["value"], row["default"]) == ("ship_days", "9", "7")
