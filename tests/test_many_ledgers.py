"""Several ledgers read together: each order stays one of its own ledger, and each ledger is there once and whole."""

import csv
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from benchmarks.generate import facts as generated
from commands.main import run
from ledger import errors
from ledger.formats.facts import parse
from queries.catalog import audits
from queries.engine import Relations, Result, open_sources
from queries.moment import Moment
from queries.relations import VIEWS
from queries.sources import Source
from tests import scenario as s
from tests.logs import log_of, write
from tests.running import Cli

NAMES = ("eu", "us", "cn")
NOW = ("--now", "2026-01-01")


def sources(folder: Path) -> list[Source]:
    """Three ledgers of generated orders, of which two have the very same ones."""
    found = []
    for name, seed in zip(NAMES, (1, 2, 1), strict=True):
        lines = log_of(parse(fact.encode()) for fact in islice(generated(210, seed), 210))
        cache = folder / name / "cache"
        cache.mkdir(parents=True)
        found.append(Source(write(folder / name / "events", lines, per_segment=60), name=name, cache=cache))
    return found


@contextmanager
def opened(folder: Path, chosen: list[Source], *, apart: bool) -> Iterator[Relations]:
    with open_sources(chosen, Moment(s.NOW), scratch=folder / "scratch", apart=apart) as found:
        yield found


def alone(folder: Path, every: list[Source], ask: Callable[[Relations], list[Result]]) -> Iterator[list[Result]]:
    """Ask each ledger by itself."""
    for source in every:
        with opened(folder, [Source(source.snapshot)], apart=False) as found:
            yield ask(found)


def named(answers: Iterable[Result], at: int) -> Counter[str]:
    """The rows of all ledgers, the name of each in a column."""
    return Counter(
        repr((*row[:at], name, *row[at:])) for name, answer in zip(NAMES, answers, strict=True) for row in answer.rows
    )


@pytest.mark.parametrize("apart", [True, False])
def test_a_relation_of_orders_has_what_it_has_of_each_ledger_alone(tmp_path: Path, apart: bool) -> None:
    every = sources(tmp_path)

    def ask(found: Relations) -> list[Result]:
        return [found.run(f"SELECT * FROM {view}", {}) for view in VIEWS if view != "sellers"]

    with opened(tmp_path, every, apart=apart) as together:
        answers = ask(together)
    for answer, *by_ledger in zip(answers, *alone(tmp_path, every, ask), strict=True):
        assert Counter(map(repr, answer.rows)) == named(by_ledger, answer.columns.index("ledger"))


ACROSS_ORDERS = {"bait-prices", "exposed-orders", "order-in-two-ledgers", "security-closures"}
"""Audits that hold an order against others, wherever these are."""


def test_an_audit_of_orders_says_of_each_what_it_says_of_its_ledger_alone(tmp_path: Path) -> None:
    every = sources(tmp_path)
    asked = [
        audit
        for audit in audits().values()
        if audit.name not in ACROSS_ORDERS and "order_id" in [column.name for column in audit.columns]
    ]

    def ask(found: Relations) -> list[Result]:
        values = ({param.name: param.default for param in audit.params} for audit in asked)
        return [found.run_sandboxed(audit.sql, given) for audit, given in zip(asked, values, strict=True)]

    with opened(tmp_path, every, apart=False) as together:
        answers = ask(together)
    for answer, *by_ledger in zip(answers, *alone(tmp_path, every, ask), strict=True):
        assert Counter(map(repr, answer.rows)) == named(by_ledger, answer.columns.index("ledger"))
    assert sum(bool(answer.rows) for answer in answers) > 8


@pytest.fixture
def two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[Cli]:
    """Two ledgers that both have an order A1, and one has B2."""
    found = []
    for name, currency, orders in (("eu", "EUR", ["A1"]), ("us", "USD", ["A1", "B2"])):
        cli = Cli(tmp_path / name, capsys)
        cli.ok("init")
        for order in orders:
            placed = ("record", "placed", order, "--seller", "s1", "--amount", "12.30", "--currency", currency)
            cli.ok(*placed, "--at", "2024-01-01")
        cli.ok("record", "paid", "A1", "--amount", "12.30", "--at", "2024-01-02")
        found.append(cli)
    return found


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def table(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    code, out, err = ask(capsys, *arguments)
    assert (code, err) == (0, "")
    return list(csv.DictReader(io.StringIO(out)))


def both(clis: list[Cli]) -> list[str]:
    return [part for cli in clis for part in ("--ledger", str(cli.ledger))]


def test_each_order_is_listed_with_its_ledger(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    found = table(capsys, *both(two), "list")
    assert [(row["ledger"], row["order_id"], row["paid"]) for row in found] == [
        ("eu", "A1", "12.30"),
        ("us", "A1", "12.30"),
        ("us", "B2", "0.00"),
    ]
    code, out, _ = ask(capsys, *both(two), "list", "-o", "table")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[2:5]] == [["eu", "A1"], ["us", "A1"], ["us", "B2"]]


def test_an_audit_names_the_ledger_of_each_order(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    found = table(capsys, *both(two), "audit", "overdue-orders", *NOW)
    assert [(row["ledger"], row["order_id"], row["timer"]) for row in found] == [
        ("eu", "A1", "verify_by"),
        ("us", "A1", "verify_by"),
        ("us", "B2", "pay_by"),
    ]


def test_an_order_that_two_ledgers_claim_is_told(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    for cli, marketplace in zip(two, ("north", "south"), strict=True):
        placed = (
            "record",
            "placed",
            "C3",
            "--seller",
            "s1",
            "--amount",
            "5",
            "--currency",
            "USD",
            "--at",
            "2024-01-03",
        )
        cli.ok(*placed, "--marketplace", marketplace)
    found = table(capsys, *both(two), "audit", "order-in-two-ledgers")
    assert [(row["ledger"], row["order_id"], row["amount"], row["status"], row["ledgers"]) for row in found] == [
        ("eu", "A1", "12.30", "verifying-payment", "2"),
        ("us", "A1", "12.30", "verifying-payment", "2"),
    ]
    assert table(capsys, "--ledger", str(two[0].ledger), "audit", "order-in-two-ledgers") == []


def test_a_number_with_a_slash_is_one_of_a_single_ledger(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    """`eu/A1` is what an order of the ledger eu is called inside, where several are read."""
    placed = ("record", "placed", "eu/A1", "--seller", "s1", "--amount", "5", "--currency", "USD", "--at", "2024-01-03")
    two[1].ok(*placed)
    alone = table(capsys, "--ledger", str(two[1].ledger), "sql", "SELECT order_id, number FROM numbers ORDER BY ALL")
    assert [(row["order_id"], row["number"]) for row in alone] == [("A1", "A1"), ("B2", "B2"), ("eu/A1", "eu/A1")]
    found = table(capsys, *both(two), "sql", "SELECT ledger, order_id, number FROM numbers ORDER BY ledger, order_id")
    assert [tuple(row.values()) for row in found] == [
        ("eu", "A1", "A1"),
        ("us", "A1", "A1"),
        ("us", "B2", "B2"),
        ("us", "eu/A1", "eu/A1"),
    ]


def test_money_is_that_of_all(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    found = table(capsys, *both(two), "money")
    assert [(row["currency"], row["account"], row["balance"]) for row in found] == [
        ("EUR", "buyer", "-12.30"),
        ("EUR", "escrow", "12.30"),
        ("USD", "buyer", "-12.30"),
        ("USD", "escrow", "12.30"),
    ]


def test_sql_has_the_ledger_in_a_column_and_the_orders_own_number(
    two: list[Cli], capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT ledger, order_id, status FROM orders WHERE order_id = 'A1' ORDER BY ledger"
    found = table(capsys, *both(two), "sql", query)
    assert [(row["ledger"], row["order_id"]) for row in found] == [("eu", "A1"), ("us", "A1")]
    query = "SELECT sellers.orders, sum(e.seq) AS seqs FROM events AS e CROSS JOIN sellers GROUP BY ALL"
    assert table(capsys, *both(two), "sql", query) == [{"orders": "3", "seqs": "9"}]


def test_a_pattern_names_all_ledgers_that_fit(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    pattern = str(two[0].ledger.parent / "*")
    (two[0].ledger.parent / "no-ledger").mkdir()
    assert table(capsys, "--ledger", pattern, "list") == table(capsys, *both(two), "list")
    code, _, err = ask(capsys, "--ledger", pattern + "x", "list")
    assert (code, err.splitlines()[0]) == (5, "error: no ledger found")


def test_ledgers_of_one_name_are_called_by_more_of_their_paths(
    tmp_path: Path, two: list[Cli], capsys: pytest.CaptureFixture[str]
) -> None:
    moved = tmp_path / "old" / "eu"
    moved.parent.mkdir()
    two[1].ledger.rename(moved)
    found = table(capsys, "--ledger", str(two[0].ledger), "--ledger", str(moved), "list")
    assert sorted(row["ledger"] for row in found) == ["old-eu", "old-eu", f"{tmp_path.name}-eu"]


def test_one_ledger_is_not_read_twice(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    ledger = str(two[0].ledger)
    code, _, err = ask(capsys, "--ledger", ledger, "--ledger", ledger, "list")
    assert (code, err.splitlines()[0]) == (2, f"error: {ledger} is given twice")
    shutil.copytree(ledger, ledger + "-copy")
    code, _, err = ask(capsys, "--ledger", ledger, "--ledger", ledger + "-copy", "list")
    assert (code, err.splitlines()[0]) == (2, "error: eu and eu-copy are the same ledger")


@pytest.mark.parametrize("verb", [["show", "A1"], ["verify"], ["record", "placed", "C3"], ["export", "csv"], ["due"]])
def test_what_is_about_one_ledger_takes_one(
    two: list[Cli], capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    if verb[0] == "record":
        verb = [*verb, "--seller", "s1", "--amount", "1", "--currency", "USD"]
    code, out, err = ask(capsys, *both(two), *verb)
    assert (code, out) == (2, "")
    assert "reads one ledger, and --ledger names 2" in err


def test_a_ledger_with_a_hole_is_not_added_up(tmp_path: Path) -> None:
    every = sources(tmp_path)
    missing = every[1].snapshot
    every[1] = Source(type(missing)((*missing.files[:1], *missing.files[2:])), name="us")
    with (
        opened(tmp_path, every, apart=False) as found,
        pytest.raises(errors.Damaged, match="lines of the ledger us are missing, or there twice"),
    ):
        found.run("SELECT count(*) FROM events", {})


def test_damage_of_one_is_told_with_its_name(two: list[Cli], capsys: pytest.CaptureFixture[str]) -> None:
    [segment] = (two[1].ledger / "events").iterdir()
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0] + b"{nothing\n" + lines[2])
    code, out, err = ask(capsys, *both(two), "list", "-o", "jsonl")
    assert code == 5
    assert [(row["ledger"], row["order_id"]) for row in map(json.loads, out.splitlines())] == [
        ("eu", "A1"),
        ("us", "A1"),
    ]
    assert "the log of us is damaged" in err
