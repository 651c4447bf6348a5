"""Both engines say the same: every audit and relation, over four ledgers of which some lines are copied, some not."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cluster import Cluster
from commands.main import run
from queries import portable
from queries.catalog import audits
from queries.engine import Relations, Result, open_sources
from queries.moment import Moment
from queries.places import Place
from queries.relations import VIEWS
from queries.sources import Shipped
from queries.spark import Cluster as Opened
from queries.spark import open_cluster
from tests.spark.conftest import EVENTS

NOW = datetime(2026, 4, 1, 12, 0, 0, 500_000, tzinfo=UTC)
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


def sources(shipped: Path, names: tuple[str, ...], kept: Path) -> list[Shipped]:
    found = []
    for name in names:
        place = Place(str(shipped / name))
        shipment = place.manifest()
        assert shipment
        found.append(Shipped(place, shipment, name=name if len(names) > 1 else "", kept=kept))
    return found


class Both:
    """The same relations, here and on the cluster."""

    def __init__(self, here: Relations, there: Opened) -> None:
        self.here = here
        self.there = there

    def agree(self, sql: str, params: dict[str, Any], *, ordered: bool) -> Result:
        """Ask both; give the answer."""
        here, there = self.here.run_sandboxed(sql, params), self.there.run_sandboxed(sql, params)
        assert (there.columns, there.types) == (here.columns, here.types)
        if ordered:
            assert there.rows == here.rows
        else:
            assert Counter(map(repr, there.rows)) == Counter(map(repr, here.rows))
        return here


@contextmanager
def opened(cluster: Cluster, shipped: Path, folder: Path, *, apart: bool) -> Iterator[Both]:
    four = sources(shipped, tuple(EVENTS), folder / "kept")
    with (
        open_sources(four, Moment(NOW), scratch=folder / "here", apart=apart) as here,
        open_cluster(cluster.url, four, Moment(NOW), scratch=folder / "there", apart=apart) as there,
    ):
        there.run("SELECT * FROM events CROSS JOIN clock LIMIT 1", {})  # every column is kept, once for all tests
        yield Both(here, there)


@pytest.fixture(scope="module")
def apart(cluster: Cluster, shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Relations with a column ledger, as one's own SQL sees them."""
    with opened(cluster, shipped, tmp_path_factory.mktemp("apart"), apart=True) as found:
        yield found


@pytest.fixture(scope="module")
def told(cluster: Cluster, shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """Relations whose orders bear their ledgers' names, as audits see them."""
    with opened(cluster, shipped, tmp_path_factory.mktemp("told"), apart=False) as found:
        yield found


@pytest.mark.parametrize("view", ["clock", *VIEWS])
def test_a_relation_has_the_same_rows(apart: Both, view: str) -> None:
    assert apart.agree(f"SELECT * FROM {view}", {}, ordered=False).rows


@pytest.mark.parametrize("name", audits())
def test_an_audit_has_the_same_answer(told: Both, name: str) -> None:
    audit = audits()[name]
    assert told.agree(audit.sql, {param.name: param.default for param in audit.params}, ordered=True).rows


@pytest.mark.parametrize("sql", OWN)
def test_ones_own_sql_has_the_same_answer(apart: Both, sql: str) -> None:
    assert apart.agree(sql, {}, ordered=True).rows


@pytest.mark.parametrize("relation", ["closures", "timers"])
def test_a_relation_is_made_of_events_that_the_cluster_keeps(told: Both, relation: str) -> None:
    """It reads files and sends rows between workers only to make the kept events: by what takes them back, by order."""
    asked = f"EXPLAIN {told.there._said(portable.parsed(f'SELECT * FROM {relation}'))}"
    plan = told.there._spark.sql(asked).toArrow().to_pylist()[0]["plan"]
    kept = plan.count("InMemoryTableScan")
    assert kept > 1
    assert plan.count("FileScan parquet") == kept * 2
    assert plan.count("Exchange hashpartitioning") <= kept * 3


COMMANDS = (
    ("audit", "money-by-month"),
    ("audit", "refunded-closures", "--since", "2025-11-01", "--reason", "security", "-o", "json"),
    ("audit", "closures-by-reason", "--as-of", "2025-09-01T01:02:03.000004", "--known-at", "2027-01-01"),
    ("audit", "bait-prices", "--ratio", "0.7", "--as-of", "2025-09-01"),
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
def test_a_command_prints_the_same(
    command: tuple[str, ...], cluster: Cluster, shipped: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledgers = ("--ledger", f"{shipped}/*")
    printed = []
    for engine in ((), ("--engine", "spark", "--connect", cluster.url)):
        code = run([*ledgers, *command, "--now", "2026-06-01", *engine])
        printed.append((code, *capsys.readouterr()))
    assert printed[0] == printed[1]
    assert printed[0][0] == 0


def test_a_single_ledger_is_asked_too(cluster: Cluster, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--ledger", str(shipped / "eu"), "audit", "variants", "--now", "2026-06-01"]
    assert run(command) == 0
    here = capsys.readouterr().out
    assert run([*command, "--engine", "spark", "--connect", cluster.url]) == 0
    assert capsys.readouterr().out == here
