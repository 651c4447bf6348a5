"""Whole commands print the same with both engines."""

import pytest

from commands.main import run
from tests.spark.conftest import There

COMMANDS = (
    ("audit", "refunded-closures", "--since", "2025-11-01", "--reason", "security", "-o", "json"),
    ("audit", "closures-by-reason", "--as-of", "2025-09-01T01:02:03.000004", "--known-at", "2027-01-01"),
    ("audit", "bait-prices", "--ratio", "0.7", "--as-of", "2025-09-01", "-o", "tsv"),
    ("money", "--by", "seller"),
    ("list", "--status", "disputed", "--sort", "paid", "--limit", "50"),
    ("list", "--seller", "no-such", "-o", "table"),
    (
        "sql",
        "SELECT ledger, max(title) AS title FROM orders WHERE seller = $s GROUP BY ledger ORDER BY ledger",
        "-p",
        "s=1",
    ),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_prints_the_same(command: tuple[str, ...], there: There, capsys: pytest.CaptureFixture[str]) -> None:
    ledgers = ("--ledger", f"{there.shipped}/*")
    printed = []
    for engine in ((), ("--engine", "spark", "--connect", there.url)):
        code = run([*ledgers, *command, "--now", "2026-06-01", *engine])
        printed.append((code, *capsys.readouterr()))
    assert printed[0] == printed[1]
    assert printed[0][0] == 0


def test_a_single_ledger_is_asked_too(there: There, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--ledger", str(there.shipped / "eu"), "audit", "variants", "--now", "2026-06-01"]
    assert run(command) == 0
    here = capsys.readouterr().out
    assert run([*command, "--engine", "spark", "--connect", there.url]) == 0
    assert capsys.readouterr().out == here
