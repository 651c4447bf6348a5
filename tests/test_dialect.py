"""The views and audits keep to SQL that other engines run too, and the check of that sees what it should."""

from pathlib import Path

import pytest

from queries import portable
from tests.dialect import problems
from tests.running import ROOT

FILES = sorted((ROOT / "queries").glob("*/*.sql"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_view_or_audit_is_portable(path: Path) -> None:
    assert list(problems(path.read_text(), ordered=path.parent.name == "audits")) == []


def test_every_view_and_audit_was_looked_at() -> None:
    assert {path.parent.name for path in FILES} == {"views", "rows", "audits"}
    assert len(FILES) > 30


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("SELECT 1; SELECT 2", "it is not one SELECT"),
        ("DELETE FROM orders", "it is not one SELECT"),
        ("SELECT (", "it does not parse"),
        ("SELECT a FROM orders", "an answer has an ORDER BY"),
        ("select a FROM orders ORDER BY a", "the keyword select is not in capitals"),
        ("SELECT a FROM x ASOF JOIN y ON x.a >= y.a ORDER BY a", "ASOF"),
        ("SELECT MAP {'a': 1} AS m FROM orders ORDER BY m", "a MAP literal"),
        ("SELECT {'a': 1} AS m FROM orders ORDER BY m", "a STRUCT literal"),
        ("SELECT list(a ORDER BY b) AS l FROM orders ORDER BY l", "list()"),
        ("SELECT COLUMNS('a') FROM orders ORDER BY 1", "COLUMNS"),
        ("SELECT quantile_cont(a, 0.5) AS q FROM orders ORDER BY q", "quantile_cont"),
        ("SELECT median(a) AS q FROM orders ORDER BY q", "median"),
        ("SELECT avg(paid) AS q FROM orders ORDER BY q", "avg"),
        ("SELECT * FROM generate_series(1, 2) ORDER BY 1", "generate_series"),
        ("SELECT a FROM (SELECT a FROM orders) ORDER BY a", "a subquery that is no named CTE"),
        ("SELECT date_diff('day', a, b) AS d FROM orders ORDER BY d", "date_diff in"),
        ("SELECT regexp_extract(a, '(x)', 1) AS r FROM orders ORDER BY r", "a regular expression with groups"),
        ("SELECT my_macro(a) AS r FROM orders ORDER BY r", "the function my_macro"),
        (
            "WITH m AS (SELECT strftime(a, '%Y') AS y FROM orders) SELECT y FROM m ORDER BY y",
            "strftime below the outermost SELECT",
        ),
        ("SELECT paid / 2 AS half FROM orders ORDER BY half", "a division that is not of a DOUBLE"),
        ("SELECT sum(paid) AS s FROM orders ORDER BY s", "a sum of money that is not cast to DECIMAL(38,4)"),
        ("SELECT string_agg(a, ',') AS s FROM orders ORDER BY s", "string_agg without ORDER BY"),
        ("SELECT arg_max(carrier, version) AS c FROM events ORDER BY c", "arg_max over what may be NULL"),
        ("SELECT arg_max(outcome, version) AS o FROM events ORDER BY o", "arg_max over what may be NULL"),
        ("SELECT round(CAST(paid AS DOUBLE), 2) AS r FROM orders ORDER BY r", "round to decimals"),
        ("SELECT CAST(paid AS BIGINT) AS n FROM orders ORDER BY n", "a CAST to whole numbers of what is not rounded"),
        ("SELECT EXTRACT(dow FROM placed_at) AS d FROM orders ORDER BY d", "EXTRACT of"),
        ("SELECT EXTRACT(second FROM placed_at) AS s FROM orders ORDER BY s", "EXTRACT of"),
        ("SELECT dayofweek(placed_at) AS d FROM orders ORDER BY d", "the function day_of_week"),
        ("SELECT isodow(placed_at) AS d FROM orders ORDER BY d", "the function"),
        ("SELECT upper(title) AS t FROM orders ORDER BY t", "the function upper"),
        ("SELECT seq FROM events WHERE title ILIKE 'x%' ORDER BY seq", "ILIKE"),
        (r"SELECT seq FROM events WHERE title LIKE '50\%%' ORDER BY seq", "a backslash in LIKE"),
        ("SELECT seq FROM events WHERE title LIKE $pattern ORDER BY seq", "a pattern of LIKE that is not written out"),
        (
            "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 AS i FROM n) SELECT i FROM n ORDER BY i",
            "WITH RECURSIVE",
        ),
        ("SELECT CAST(CAST(paid AS DOUBLE) AS VARCHAR) AS t FROM orders ORDER BY t", "a CAST of a DOUBLE to text"),
        ("SELECT ln(seq) AS l FROM events ORDER BY l", "the function ln"),
        ("SELECT any_value(seller) AS s FROM orders ORDER BY s", "the function any_value"),
        ("SELECT DISTINCT ON (seller) seller, order_id FROM orders ORDER BY seller", "DISTINCT ON"),
        ("SELECT string_agg(DISTINCT a, ',' ORDER BY a) AS s FROM orders ORDER BY s", "string_agg of DISTINCT"),
        ("SELECT sum(CAST(seq AS DOUBLE)) AS s FROM events ORDER BY s", "a sum of DOUBLEs"),
        (
            "WITH orders AS (SELECT * FROM orders) SELECT seq FROM orders ORDER BY seq",
            "a CTE that has the name of a relation read before it",
        ),
        (
            "WITH a AS (SELECT seq FROM Orders), orders AS (SELECT seq FROM a) SELECT seq FROM orders ORDER BY seq",
            "a CTE that has the name of a relation read before it",
        ),
        ("SELECT a FROM x PIVOT (count(*) FOR b IN (1, 2)) ORDER BY a", "PIVOT"),
    ],
)
def test_what_is_not_portable_is_named(sql: str, problem: str) -> None:
    assert any(problem in found for found in problems(sql, ordered=True))


def test_what_is_portable_is_let_pass() -> None:
    sql = """
        WITH firsts AS (
            SELECT order_id, arg_max(carrier, version) FILTER (WHERE carrier IS NOT NULL) AS carrier,
                CAST(COALESCE(sum(amount) FILTER (WHERE type = 'paid'), 0) AS DECIMAL(38,4)) AS paid
            FROM events GROUP BY order_id
            QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY max(seq)) = 1
        )
        SELECT carrier, round(CAST(paid AS DOUBLE) / 3) / 100 AS third, CAST(floor(paid) AS BIGINT) AS whole,
            CAST(count(*) AS BIGINT) AS n, EXTRACT(year FROM $now) AS y, $now + 2 * INTERVAL 1 DAY AS then
        FROM firsts ORDER BY carrier
    """
    assert list(problems(sql.replace("AS then", "AS later"), ordered=True)) == []


@pytest.mark.parametrize(
    ("sql", "takes_all"),
    [
        ("SELECT seq FROM events", False),
        ("SELECT count(*) AS n FROM events", False),
        ("SELECT count(*) FILTER (WHERE odd IS NULL) AS n, max(seq) AS seq FROM events", False),
        ("SELECT * FROM events", True),
        ("FROM events", True),
        ("SELECT e.* EXCLUDE (note) FROM events AS e", True),
        ("WITH d AS (SELECT DISTINCT * FROM events) SELECT count(*) AS n FROM d", True),
        ("SELECT seq FROM events NATURAL JOIN orders", True),
        ("SELECT seq FROM events JOIN orders USING (order_id)", False),
    ],
)
def test_what_takes_columns_without_naming_them_is_seen(sql: str, takes_all: bool) -> None:
    assert portable.takes_all(portable.parsed(sql)) == takes_all


def test_every_name_of_a_column_is_seen() -> None:
    sql = (
        "WITH c AS (SELECT a, e.b AS x FROM events AS e WHERE e.c > 1) "
        "SELECT x FROM c JOIN events USING (d) QUALIFY row_number() OVER (PARTITION BY f ORDER BY g) = 1"
    )
    assert {*"abcdfg"} <= portable.names(portable.parsed(sql))


def test_ctes_can_be_relations_of_their_own() -> None:
    query = portable.parsed("WITH c AS (SELECT seq FROM t) SELECT c.seq, d.seq FROM c JOIN c AS d ON c.seq = d.seq")
    bare = portable.without_ctes(query, "internal")
    assert bare.sql("duckdb") == ("SELECT c.seq, d.seq FROM internal.c AS c JOIN internal.c AS d ON c.seq = d.seq")
    assert portable.tables(bare) == {("internal", "c")}
    assert portable.tables(query) == {("", "t")}


def test_names_are_the_same_in_small_and_capital_letters() -> None:
    query = portable.parsed("WITH C AS (SELECT e.NOTE FROM main.Events AS e) SELECT note FROM c JOIN internal.Files")
    assert portable.tables(query) == {("", "events"), ("internal", "files")}
    assert "note" in portable.names(query)
    assert "FROM events AS e" in portable.for_spark(portable.parsed("SELECT e.seq FROM main.Events AS e"))


def test_what_arg_max_leaves_out_is_left_out_elsewhere() -> None:
    said = portable.for_spark(portable.parsed("SELECT arg_max(status, version) AS s FROM events"))
    assert "MAX_BY(status, version) FILTER(WHERE NOT status IS NULL)" in said
