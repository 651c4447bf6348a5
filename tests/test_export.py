"""What is exported is what the ledger has: facts that are decided the same again, relations that read back equal."""

import csv
import io
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.export import FORMATS, _quoted
from commands.main import run
from ledger.book import Ledger
from ledger.events import Fact, Recorded
from ledger.order import as_believed
from queries.relations import VIEWS
from tests import scenario as s
from tests.running import Cli
from tests.strategies import examples, histories
from tests.test_laws_ledger import content, new_ledger, tell, texts
from tests.test_laws_order import per_order

RETRACTED = (
    s.placed(at=s.after(0), title="=1+1"),
    s.paid(at=s.after(1), amount="20.00"),
    s.paid(at=s.after(2), amount="7.50"),
    s.retracted(at=s.after(9), retracts=3),
    s.verified(at=s.after(3)),
    s.shipped(at=s.after(4), tracking="RR473124820GB"),
)
HOSTILE = [
    *("=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\tx", "\rx"),
    *(" =1", "  -1", "\u00a0=1", "\u3000@x", "\ufeff=1", "\u200b=1", " \u200b =1", "\v\f=1"),
    *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", " \uff1d1", "\ufe661", "\ufe621", "\ufe631", "\ufe6bx"),
    *("=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")', "-12.30", "-", "=", '=","', "=1\n=2"),
]
HARMLESS = ["", "x", "1+1", "a=b", "x@y.z", "'=1", '"quoted"', "späte Lieferung", "12.30", "{-}", "a\t=1", " x", "_=1"]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "ledger", capsys)


def told(cli: Cli, *facts: Fact) -> Ledger:
    """Make the ledger of these facts."""
    ledger = new_ledger(str(cli.ledger.parent))
    _, refused = tell(ledger, texts(facts))
    assert refused == []
    return ledger


def texts_of(cells: Iterable[str]) -> list[Fact]:
    """Place the order, and note each of the texts."""
    notes = [s.noted(at=s.after(number), text=cell) for number, cell in enumerate(cells, 1)]
    return [s.placed(at=s.after(0)), *notes]


def again(path: Path, folder: str, name: str = "again") -> list[Recorded]:
    """Import an exported file into a new ledger and return what it has then."""
    ledger = new_ledger(folder, name)
    _, refused = tell(ledger, path.read_bytes().splitlines())
    assert refused == []
    return content(ledger)


# Facts.


@examples(20)
@given(histories(min_orders=2, max_orders=5))
def test_facts_make_an_equal_ledger(log: list[Recorded]) -> None:
    """Events, seqs, versions, statuses and flags; odd facts and retractions too."""
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        tell(ledger, texts(line.event for line in log))
        path = Path(folder, "facts.jsonl")
        assert run(["--ledger", str(ledger.path), "export", "facts", str(path)]) == 0
        assert again(path, folder) == content(ledger)


@examples(12)
@given(st.data())
def test_facts_of_an_earlier_time_make_the_ledger_as_it_was_believed(data: st.DataObject) -> None:
    log = data.draw(histories(min_orders=2, max_orders=4))
    as_of = data.draw(st.sampled_from([line.effective_at or line.event.occurred_at for line in log]))
    with TemporaryDirectory() as folder:
        ledger = new_ledger(folder)
        tell(ledger, texts(line.event for line in log))
        path = Path(folder, "facts.jsonl")
        arguments = ["export", "facts", str(path), "--as-of", as_of.isoformat()]
        assert run(["--ledger", str(ledger.path), *arguments]) == 0
        believed = [line for lines in per_order(content(ledger)) for line in as_believed(lines, as_of=as_of)]
        due = [(line.event, line.status) for line in sorted(believed, key=lambda line: line.seq)]
        assert [(line.event, line.status) for line in again(path, folder)] == due


def test_a_fact_says_the_zero_that_its_line_leaves_out(cli: Cli, tmp_path: Path) -> None:
    """A buyer who won and gets nothing would get back what the seller has, if the amounts were left out."""
    opened = given_times(*s.CONFIRMED, s.dispute_opened(), s.dispute_resolved(to_buyer="0"))
    ledger = told(cli, *opened)
    cli.ok("export", "facts", str(tmp_path / "facts.jsonl"))
    assert again(tmp_path / "facts.jsonl", str(tmp_path)) == content(ledger)
    assert ledger.order(s.ORDER).to_seller == 2000


def given_times(*facts: Fact) -> list[Fact]:
    """Let the facts happen an hour after one another."""
    return [msgspec.structs.replace(fact, occurred_at=s.after(hours=hour)) for hour, fact in enumerate(facts)]


def test_what_was_taken_back_later_is_no_fact_of_an_earlier_time(cli: Cli) -> None:
    told(cli, *RETRACTED)
    kinds = [json.loads(line)["type"] for line in cli.ok("export", "facts").splitlines()]
    assert kinds == ["placed", "paid", "paid", "retracted", "verified", "shipped"]
    early = cli.ok("export", "facts", "--as-of", s.after(3).isoformat()).splitlines()
    assert [json.loads(line)["type"] for line in early] == ["placed", "paid", "verified"]


def test_facts_known_at_an_earlier_time_are_those_recorded_until_then(cli: Cli) -> None:
    ledger = told(cli, *RETRACTED)
    recorded_at = next(ledger.store.lines())[1].split(b'"recorded_at":"')[1].split(b'"')[0].decode()
    before = (datetime.fromisoformat(recorded_at) - timedelta(seconds=1)).isoformat()
    assert cli.ok("export", "facts", "--known-at", before) == ""
    assert len(cli.ok("export", "facts", "--known-at", recorded_at).splitlines()) == 6


# What is new.


@pytest.mark.parametrize(
    ("what", "next_seq"),
    [(["facts"], 6), (["jsonl"], 6), (["csv"], 6), (["jsonl", "--relation", "postings"], 4)],
)
def test_increments_are_together_the_whole(cli: Cli, what: list[str], next_seq: int) -> None:
    ledger = told(cli, *RETRACTED[:3])
    head = 1 if what == ["csv"] else 0
    first = cli("export", *what, "--since-seq", "1")
    tell(ledger, texts(RETRACTED[4:]))
    second = cli("export", *what, "--since-seq", first.err.strip())
    assert (first.code, second.code) == (0, 0)
    parts = [*first.out.splitlines(), *second.out.splitlines()[head:]]
    assert parts == cli.ok("export", *what).splitlines()
    assert (first.err, second.err) == ("4\n", f"{next_seq}\n")
    third = cli("export", *what, "--since-seq", second.err.strip())
    assert (len(third.out.splitlines()), third.err) == (head, second.err)


def test_beyond_the_end_the_next_seq_stays(cli: Cli) -> None:
    told(cli, *RETRACTED)
    assert cli("export", "facts", "--since-seq", "90").err == "90\n"
    assert cli("export", "tsv", "--since-seq", "90").err == "90\n"


# Relations.


@pytest.mark.parametrize("relation", VIEWS)
def test_every_relation_reads_back_from_parquet_with_its_types(cli: Cli, tmp_path: Path, relation: str) -> None:
    told(cli, *RETRACTED, s.confirmed(at=s.after(10)))
    path = tmp_path / "out.parquet"
    assert cli.ok("export", "parquet", str(path), "--relation", relation) == ""
    found = duckdb.execute(f"SELECT * FROM '{path}'").fetchall()
    described = duckdb.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()
    assert [kind for name, kind, *_ in described if name == "amount"] in ([], ["DECIMAL(18,4)"])
    assert [kind for name, kind, *_ in described if name.endswith("_at")].count("VARCHAR") == 0
    as_json = json.loads(cli.ok("export", "json", "--relation", relation))
    assert len(as_json) == len(found) > 0
    assert [name for name, *_ in described] == list(as_json[0])


def test_the_formats_say_the_same(cli: Cli, tmp_path: Path) -> None:
    told(cli, *RETRACTED)
    as_json = json.loads(cli.ok("export", "json"))
    assert [json.loads(line) for line in cli.ok("export", "jsonl", "-").splitlines()] == as_json
    names = [[row["seq"], row["title"], row["tracking"]] for row in as_json]
    assert names[0] == [1, "=1+1", None]
    as_csv = list(csv.DictReader(io.StringIO(cli.ok("export", "csv"))))
    assert [[int(row["seq"]), row["title"] or None, row["tracking"] or None] for row in as_csv] == names
    cli.ok("export", "tsv", str(tmp_path / "out.tsv"))
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    as_tsv = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [[int(row["seq"]), row["title"] or None, row["tracking"] or None] for row in as_tsv] == names


def test_rows_of_any_number_come_once_and_in_order(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    told(cli, *texts_of(f"note {number}" for number in range(1, 30)))
    whole = cli.ok("export", "csv")
    monkeypatch.setattr("commands.export.PAGE", 7)
    assert cli.ok("export", "csv") == whole
    assert [row["seq"] for row in csv.DictReader(io.StringIO(whole))] == [str(seq) for seq in range(1, 31)]


def test_an_empty_ledger_gives_what_is_empty_in_each_format(cli: Cli, tmp_path: Path) -> None:
    new_ledger(str(tmp_path))
    assert cli.ok("export", "facts") == cli.ok("export", "jsonl") == ""
    assert json.loads(cli.ok("export", "json")) == []
    assert len(cli.ok("export", "csv", "--relation", "orders").splitlines()) == 1
    cli.ok("export", "parquet", str(tmp_path / "none.parquet"))
    assert duckdb.execute(f"SELECT count(*) FROM '{tmp_path}/none.parquet'").fetchall() == [(0,)]


# Spreadsheets.


def test_cells_that_a_spreadsheet_takes_for_formulas_get_an_apostrophe(cli: Cli) -> None:
    told(cli, *texts_of([*HOSTILE, *HARMLESS]))
    exact = csv.DictReader(io.StringIO(cli.ok("export", "csv"), newline=""))
    assert [row["text"] for row in exact][1:] == [*HOSTILE, *HARMLESS]
    safe = csv.DictReader(io.StringIO(cli.ok("export", "csv", "--spreadsheet-safe"), newline=""))
    assert [row["text"] for row in safe][1:] == [*("'" + cell for cell in HOSTILE), *HARMLESS]


def test_a_safe_tsv_has_the_apostrophe_before_what_it_escapes(cli: Cli) -> None:
    told(cli, *texts_of(["\t=1", "=1\t2", "a\tb"]))
    lines = cli.ok("export", "tsv", "--spreadsheet-safe").splitlines()
    place = lines[0].split("\t").index("text")
    assert [line.split("\t")[place] for line in lines[2:]] == [r"'\t=1", r"'=1\t2", r"a\tb"]


def test_negative_numbers_stay_numbers(cli: Cli) -> None:
    told(cli, *RETRACTED)
    safe = cli.ok("export", "csv", "--relation", "postings", "--spreadsheet-safe")
    assert safe == cli.ok("export", "csv", "--relation", "postings")
    assert "-20.00" in [row["amount"] for row in csv.DictReader(io.StringIO(safe))]


@given(st.text())
def test_no_text_begins_like_a_formula_and_none_is_changed_but_by_the_apostrophe(text: str) -> None:
    safe = _quoted(text)
    assert safe in (text, "'" + text)
    assert not safe.lstrip(" \t\r\n\u3000\u200b\ufeff").startswith(("=", "+", "-", "@", "\uff1d", "\uff0b"))


# Where it goes.


@pytest.mark.parametrize("format_", ["facts", "csv", "tsv", "json", "jsonl"])
def test_a_file_is_private_and_the_same_as_stdout(cli: Cli, tmp_path: Path, format_: str) -> None:
    told(cli, *RETRACTED)
    path = tmp_path / "out"
    path.write_text("old")
    assert cli.ok("export", format_, str(path)) == ""
    assert path.read_bytes().decode() == cli.ok("export", format_)
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["ledger", "out"]


def test_a_parquet_file_is_private(cli: Cli, tmp_path: Path) -> None:
    told(cli, *RETRACTED)
    cli.ok("export", "parquet", str(tmp_path / "out.parquet"))
    assert (tmp_path / "out.parquet").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["ledger", "out.parquet"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["xml-of-old"], f"formats are {', '.join(FORMATS)}"),
        (["csv", "--relation", "no-such"], f"relations are {', '.join(VIEWS)}"),
        (["facts", "--relation", "orders"], "a relation is written as csv"),
        (["jsonl", "--spreadsheet-safe"], "it is for csv and tsv"),
        (["csv", "--relation", "orders", "--since-seq", "2"], "--relation events"),
        (["csv", "--relation", "closures", "--since-seq", "2"], "--relation events"),
        (["facts", "--since-seq", "2", "--as-of", "2026-01-01"], "leave one of them out"),
        (["parquet"], "orderledger export parquet FILE.parquet"),
        (["parquet", "-"], "orderledger export parquet FILE.parquet"),
        (["parquet", os.devnull], "orderledger export parquet FILE.parquet"),
        (["facts", "ledger/ledger.toml"], "name another place"),
    ],
)
def test_wrong_usage_writes_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], hint: str
) -> None:
    ledger = told(cli, *RETRACTED)
    monkeypatch.chdir(tmp_path)
    config = (ledger.path / "ledger.toml").read_bytes()
    answer = cli("export", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert hint in answer.err
    assert (ledger.path / "ledger.toml").read_bytes() == config
    assert os.listdir(tmp_path) == ["ledger"]


def test_what_cannot_be_written_is_exit_7(cli: Cli, tmp_path: Path) -> None:
    told(cli, *RETRACTED)
    for format_ in ("facts", "csv", "parquet"):
        assert cli("export", format_, str(tmp_path / "no-such" / "file")).code == 7


def test_no_ledger_is_exit_5(cli: Cli) -> None:
    assert cli("export", "facts").code == 5


@pytest.mark.parametrize("format_", ["facts", "csv"])
def test_a_closed_pipe_is_no_error(cli: Cli, format_: str) -> None:
    told(cli, *texts_of("x" * 1000 for _ in range(500)))
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.start("export", format_, "--since-seq", "1", stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")  # nobody is told to go on after what nobody got


@pytest.mark.parametrize("format_", ["facts", "jsonl"])
def test_damage_ends_an_export_and_the_next_seq_is_the_damaged_one(cli: Cli, format_: str) -> None:
    ledger = told(cli, *RETRACTED)
    [segment] = (ledger.path / "events").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:4], b"{" + lines[4][2:], *lines[5:]]))
    answer = cli("export", format_, "--since-seq", "2")
    assert (answer.code, len(answer.out.splitlines())) == (5, 3)
    assert answer.err.splitlines()[0] == "5"
    assert answer.err.splitlines()[1].startswith("error: ")


def test_the_relation_is_that_of_the_moment(cli: Cli) -> None:
    told(cli, *RETRACTED)
    early = s.after(1, hours=1).astimezone(UTC).isoformat()
    rows = json.loads(cli.ok("export", "json", "--relation", "orders", "--as-of", early))
    assert [row["status"] for row in rows] == ["verifying-payment"]
