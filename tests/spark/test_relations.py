"""Every relation, one's own SQL and whole commands have the same answer on both engines."""

from collections.abc import Iterator

import pytest

from commands.main import run
from queries.relations import VIEWS
from tests.spark.both import Both, opened
from tests.spark.conftest import There

OWN = (
    "SELECT ledger, status, count(*) AS orders, CAST(sum(paid) AS DECIMAL(38,4)) AS paid, $now AS asked "
    "FROM orders GROUP BY ledger, status ORDER BY ledger, status",
    "WITH firsts AS (SELECT ledger, order_id, type, occurred_at FROM events "
    "QUALIFY row_number() OVER (PARTITION BY ledger, type ORDER BY occurred_at DESC, order_id) = 1) "
    "SELECT *, occurred_at + 2 * INTERVAL 1 DAY AS later, CAST(length(order_id) AS DOUBLE) / 3 AS third "
    "FROM firsts ORDER BY ledger, type",
    "SELECT ledger, order_id, items, title FROM events WHERE items IS NOT NULL OR title LIKE '%\"%' "
    "ORDER BY ledger, order_id, seq LIMIT 500",
    "SELECT 1 AS one, 2.50 AS two, CAST('2026-01-01 00:00:00.000001' AS TIMESTAMP) AS t, NULL AS nothing, true AS yes",
)


@pytest.fixture(scope="module")
def apart(there: There, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Relations with a column ledger, as one's own SQL sees them."""
    with opened(there, tmp_path_factory.mktemp("apart"), apart=True) as found:
        yield found


@pytest.mark.parametrize("view", ["clock", *VIEWS])
def test_a_relation_has_the_same_rows(apart: Both, view: str) -> None:
    assert apart.agree(f"SELECT * FROM {view}", {}, ordered=False).rows


@pytest.mark.parametrize("sql", OWN)
def test_ones_own_sql_has_the_same_answer(apart: Both, sql: str) -> None:
    assert apart.agree(sql, {}, ordered=True).rows


COMMANDS = (
    ("audit", "refunded-closures", "--since", "2025-11-01", "--reason", "security", "-o", "json"),
    ("audit", "closures-by-reason", "--as-of", "2025-09-01T01:02:03.000004", "--known-at", "2027-01-01"),
    ("audit", "bait-prices", "--ratio", "0.7", "-o", "tsv"),
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
