"""What reads by SQL prints what comes before a damaged line of the log, warns, and ends with exit code 5."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.running import Cli

READS = {
    "list": ["list", "--archived", "-o", "table"],
    "money by seller": ["money", "--by", "seller", "-o", "table"],
    "sql": ["sql", "SELECT * FROM events ORDER BY seq"],
    "audit": ["audit", "money-by-account", "-o", "json"],
}
PLACES = {"sealed": 1, "newest": 4}
"""The seq that a segment begins with, whose second line is damaged."""

SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "a colon": lambda line: line.replace(b'"version":', b'"version";', 1),
    "a brace": lambda line: b"[" + line[1:],
    "a number": lambda line: line.replace(b'{"seq":', b'{"seq":x', 1),
    "a newline": lambda line: line[:-1] + b"\x0b",
    "bytes that are no UTF-8": lambda line: line.replace(b'"order_id":"', b'"order_id":"\xff', 1),
}


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a ledger of six events in two segments."""
    made = Cli(tmp_path / "ledger", capsys)
    made.ok("init")
    for order in "abc":
        fields = ["--seller", f"shop-{order}", "--amount", "5", "--currency", "USD", "--at", "2026-01-01"]
        made.ok("record", "placed", order, *fields)
        made.ok("record", "noted", order, "--text", "x", "--at", "2026-01-02")
    lines = _segment(made, 1).read_bytes().splitlines(keepends=True)
    _segment(made, 1).write_bytes(b"".join(lines[:3]))
    _segment(made, 4).write_bytes(b"".join(lines[3:]))
    return made


def _segment(cli: Cli, first_seq: int) -> Path:
    return cli.ledger / "events" / f"{first_seq:012}.jsonl"


@pytest.mark.parametrize(
    ("place", "spoilt"), [*(("sealed", how) for how in SPOILT), ("newest", "a colon"), ("newest", "a newline")]
)
def test_a_line_that_does_not_parse_ends_what_is_read(cli: Cli, place: str, spoilt: str) -> None:
    first_seq, number = PLACES[place], 2
    path = _segment(cli, first_seq)
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [*lines[: number - 1], SPOILT[spoilt](lines[number - 1]), *lines[number:]]
    assert bad != lines
    later = _segment(cli, 4).read_bytes()

    path.write_bytes(b"".join(lines[: number - 1]))
    if place == "sealed":
        _segment(cli, 4).unlink()
    expected = {name: cli.ok(*arguments) for name, arguments in READS.items()}

    _segment(cli, 4).write_bytes(later)
    path.write_bytes(b"".join(bad))
    for name, arguments in READS.items():
        answer = cli(*arguments)
        assert (answer.code, answer.out) == (5, expected[name]), (name, answer)
        assert f"the log is damaged: {path.name}, line {number} (seq {first_seq + number - 1})" in answer.err
        assert len(answer.err.splitlines()) == 3


def test_a_changed_value_is_not_seen_by_sql(cli: Cli) -> None:
    """SQL reads values only; `log` and whatever else checks the CRC sees that they were changed."""
    path = _segment(cli, 1)
    path.write_bytes(path.read_bytes().replace(b"shop-a", b"shop-z", 1))
    assert "shop-z" in cli.ok("list", "-o", "csv")
    assert cli("log").code == 5


def test_due_prints_no_closing_of_an_order_that_goes_on_behind_a_damaged_line(cli: Cli) -> None:
    """It was not shipped in time; what is left before the damage says that it was never paid."""
    cli.ok("record", "paid", "c", "--amount", "5", "--note", "by card", "--at", "2026-01-03")
    cli.ok("record", "verified", "c", "--at", "2026-01-04")
    path = _segment(cli, 4)
    path.write_bytes(path.read_bytes().replace(b"by card", b"by carp"))
    answer = cli("due", "--facts", "--now", "2026-06-01")
    assert (answer.code, answer.out) == (5, "")
