"""Every relation and one's own SQL have the same answer on both engines."""

from collections.abc import Iterator

import pytest

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
    "SELECT o.LEDGER, o.order_id, e.NOTE, day(o.placed_at) AS d, date_trunc('month', o.placed_at) AS m, "
    "CAST(o.placed_at AS DATE) + INTERVAL 1 DAY AS next, round(CAST(o.paid AS DOUBLE) * 10 + 0.5) AS r, "
    "e.seq % 7 AS s, CAST(floor(o.paid) AS BIGINT) AS f, "
    "concat_ws('-', o.status, e.note, left(o.seller, 3)) AS t "
    "FROM main.Events AS e JOIN Orders AS o ON e.order_id = o.order_id AND o.ledger = e.ledger "
    "ORDER BY e.ledger, e.seq LIMIT 500",
    "SELECT ledger, order_id, arg_max(status, version) AS last FROM events GROUP BY ledger, order_id "
    "ORDER BY ledger, order_id LIMIT 500",
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
