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
        ("SELECT regexp_extract(a, '(x)', 1) AS r FROM orders ORDER BY r", "a regular expression"),
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
        ("SELECT count(*) AS n FROM events TABLESAMPLE 10% ORDER BY n", "sample in table"),
        ("SELECT seq FROM events ORDER BY seq USING SAMPLE 10", "sample in select"),
        ("SELECT max(e.seq) AS m FROM events AS e(version, seq) ORDER BY m", "columns in table alias"),
        ("SELECT 1 | 4 & 2 AS a ORDER BY a", "bitwise"),
        ("SELECT 1 || 2 - 3 AS a ORDER BY a", "|| beside + or - without parentheses"),
        ("SELECT 'x' || CAST(1e20 AS DOUBLE) AS a ORDER BY a", "a DOUBLE as text"),
        ("SELECT concat('x', CAST(1e20 AS DOUBLE)) AS a ORDER BY a", "a DOUBLE as text"),
        ("SELECT sum(seq) OVER (ORDER BY seq GROUPS 2 PRECEDING) AS s FROM events ORDER BY s", "GROUPS in a window"),
        ("SELECT seq FROM events UNION ALL BY NAME SELECT seq FROM events ORDER BY seq", "by name in union"),
        ("SELECT seq FROM events ORDER BY seq LIMIT 10%", "limit options in limit"),
        ("SELECT seq FROM events ORDER BY seq LIMIT 1 + 1", "a LIMIT that is computed"),
        ("WITH a AS MATERIALIZED (SELECT 1 AS b) SELECT b FROM a ORDER BY b", "materialized in cte"),
        ("SELECT * RENAME (seq AS s) FROM events ORDER BY s", "rename in star"),
        ("SELECT sum(seq) OVER w AS s FROM events WINDOW w AS (ORDER BY seq) ORDER BY s", "windows in select"),
        ("SELECT seq FROM events WHERE seq = ALL (SELECT 1) ORDER BY seq", "all"),
        ("SELECT seq FROM events WHERE type GLOB 'p*' ORDER BY seq", "glob"),
        ("SELECT seq FROM events WHERE type ~ 'p.*' ORDER BY seq", "a regular expression"),
        ("SELECT seq FROM events POSITIONAL JOIN orders ORDER BY seq", "POSITIONAL"),
        ("SELECT TRY_CAST(title AS BIGINT) AS t FROM orders ORDER BY t", "TRY_CAST"),
        ("SELECT CAST(placed_at AS TIME) AS t FROM orders ORDER BY t", "a CAST to TIME"),
        (
            "SELECT CAST(CAST(paid AS DOUBLE) AS DECIMAL(9,2)) AS t FROM orders ORDER BY t",
            "a CAST of a DOUBLE to DECIMAL",
        ),
        ("SELECT items[1] AS i FROM events ORDER BY i", "an element of a list"),
        ("SELECT unnest(a) AS b, unnest(c) AS d FROM x ORDER BY b", "two unnest in one SELECT"),
        ("SELECT left(title, -1) AS l FROM orders ORDER BY l", "left with a number that may be negative"),
        ("SELECT substr(title, 0, 2) AS l FROM orders ORDER BY l", "substr with a number that may be less than 1"),
        ("SELECT substr(title, 2, -1) AS l FROM orders ORDER BY l", "substr with a number that may be less than 1"),
        ("SELECT split_part(title, '', 1) AS l FROM orders ORDER BY l", "split_part with"),
        ("SELECT split_part(title, ',', 0) AS l FROM orders ORDER BY l", "split_part with"),
        (r"SELECT string_split(title, '\E') AS l FROM orders ORDER BY l", "string_split with a separator"),
        ("SELECT lpad(title, 5, '') AS l FROM orders ORDER BY l", "lpad or rpad with"),
        ("SELECT date_trunc('decade', placed_at) AS l FROM orders ORDER BY l", "date_trunc to"),
        ("SELECT placed_at + INTERVAL 1 WEEK AS l FROM orders ORDER BY l", "an INTERVAL that is no whole number"),
        ("SELECT placed_at + INTERVAL (-1) DAY AS l FROM orders ORDER BY l", "an INTERVAL that is no whole number"),
        ("SELECT strftime(placed_at, '%Y%j') AS l FROM orders ORDER BY l", "strftime with a format"),
        ("SELECT strftime('%Y', placed_at) AS l FROM orders ORDER BY l", "strftime with a format"),
        ("SELECT date_trunc('day', $now) - placed_at AS l FROM orders ORDER BY l", "a difference of instants"),
        (
            "SELECT seq FROM events QUALIFY row_number() OVER (ORDER BY seq) = 1 ORDER BY seq LIMIT 3",
            "QUALIFY beside LIMIT",
        ),
        (
            "SELECT DISTINCT seq FROM events QUALIFY row_number() OVER (ORDER BY seq) = 1 ORDER BY seq",
            "QUALIFY beside DISTINCT",
        ),
        (
            "SELECT -seq AS seq, max(seq) OVER (PARTITION BY type) AS m FROM events QUALIFY m = seq ORDER BY seq",
            "an alias with the name of a column in QUALIFY",
        ),
        (
            "SELECT e.seq FROM events AS e QUALIFY row_number() OVER (ORDER BY seq) = 1 AND e.version > 1 ORDER BY seq",
            "a column of a named table in QUALIFY",
        ),
        ("SELECT -seq AS seq FROM events ORDER BY seq + 0", "an ORDER BY of something made of an alias"),
        (
            "WITH a AS (WITH events AS (SELECT 1 AS s) SELECT s FROM events) SELECT s FROM a ORDER BY s",
            "a WITH inside another query",
        ),
        (
            "SELECT arg_max(odd, seq) FILTER (WHERE seq > 3 OR odd IS NOT NULL) AS a FROM events ORDER BY a",
            "arg_max over what may be NULL",
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


def test_what_a_column_is_made_of_counts_by_its_type() -> None:
    query = portable.parsed("SELECT sum(d) AS s, d / 3 AS third, at - placed_at AS apart FROM x")
    types = {"d": {"DOUBLE"}, "at": {"TIMESTAMP"}, "placed_at": {"TIMESTAMP"}}
    found = ["a sum of DOUBLEs", "a difference of instants: write date_diff('second', a, b)"]
    assert list(portable.problems(query, types)) == found
    assert list(portable.problems(query, {"d": {"BIGINT"}})) == ["a division that is not of a DOUBLE"]


def test_seconds_are_counted_where_they_begin_and_what_is_null_is_left_out() -> None:
    query = portable.parsed(
        "SELECT date_diff('second', a, b) AS s, arg_max(c, d) AS c, arg_max(c, d) FILTER (WHERE e > 1) AS f FROM x"
    )
    assert portable.for_spark(query) == (
        "SELECT DATEDIFF(SECOND, DATE_TRUNC('SECOND', a), DATE_TRUNC('SECOND', b)) AS s, "
        "MAX_BY(c, d) FILTER(WHERE NOT c IS NULL) AS c, MAX_BY(c, d) FILTER(WHERE e > 1 AND NOT c IS NULL) AS f "
        "FROM x AS x"
    )


def test_a_comment_may_come_last() -> None:
    assert portable.parsed("SELECT seq FROM events; -- all of them").sql() == "SELECT seq FROM events"
