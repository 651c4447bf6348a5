"""Both engines say the same: every audit and relation, over four ledgers of which some lines are copied, some not."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cluster import Cluster
from commands.main import run
from queries.catalog import Audit, audits
from queries.engine import Relations, Result, open_sources
from queries.moment import Moment
from queries.places import Place
from queries.relations import VIEWS
from queries.sources import Shipped
from queries.spark import Cluster as Opened
from queries.spark import open_cluster
from tests.spark.conftest import EVENTS

NOW = datetime(2026, 6, 1, 12, 0, 0, 500_000, tzinfo=UTC)
MOMENTS = {
    "now": Moment(NOW),
    "then": Moment(NOW, as_of=datetime(2025, 6, 1, 3, 4, 5, 678_901, tzinfo=UTC)),
}
GIVEN: dict[str, Any] = {
    "since": datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC),
    "reason": "security",
    "days": 90,
    "ratio": 0.7,
    "min_orders": 20,
}
"""Other values of parameters than the usual ones."""

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


@pytest.fixture(scope="module", params=[("now", True), ("now", False), ("then", True)], ids=["apart", "told", "as-of"])
def both(
    request: pytest.FixtureRequest, cluster: Cluster, shipped: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Both]:
    name, apart = request.param
    folder = tmp_path_factory.mktemp("both")
    four = sources(shipped, tuple(EVENTS), folder / "kept")
    with (
        open_sources(four, MOMENTS[name], scratch=folder / "here", apart=apart) as here,
        open_cluster(cluster.url, four, MOMENTS[name], scratch=folder / "there", apart=apart) as there,
    ):
        yield Both(here, there)


def asked(audit: Audit) -> Iterator[dict[str, Any]]:
    """The values of an audit's parameters: none given, and all."""
    usual = {param.name: param.default for param in audit.params}
    yield usual
    if usual:
        yield {name: GIVEN.get(name, value) for name, value in usual.items()}


@pytest.mark.parametrize("view", ["clock", *VIEWS])
def test_a_relation_has_the_same_rows(both: Both, view: str) -> None:
    assert both.agree(f"SELECT * FROM {view}", {}, ordered=False).rows


@pytest.mark.parametrize("name", audits())
def test_an_audit_has_the_same_answer(both: Both, name: str) -> None:
    if both.there.apart:
        pytest.skip("an audit is asked of orders that bear their ledgers' names")
    for params in asked(audits()[name]):
        both.agree(audits()[name].sql, params, ordered=True)
    assert both.agree(audits()[name].sql, next(asked(audits()[name])), ordered=True).rows


def test_ones_own_sql_has_the_same_answer(both: Both) -> None:
    if not both.there.apart:
        pytest.skip("one's own SQL is asked of relations with a column ledger")
    for sql in OWN:
        assert both.agree(sql, {}, ordered=True).rows


COMMANDS = (
    ("audit", "money-by-month"),
    ("audit", "refunded-closures", "--since", "2025-11-01", "--reason", "security", "-o", "json"),
    ("audit", "overdue-orders", "--as-of", "2025-09-01"),
    ("money", "--by", "seller"),
    ("money", "-o", "table"),
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
