"""The portable dialect of the views and audits: what their SQL may not use, so that other engines run it too."""

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

_KEYWORDS = """
    ALL AND AS ASC BETWEEN BY CASE CAST CROSS DESC DISTINCT ELSE END EXCLUDE EXISTS FALSE FILTER FIRST FROM FULL GROUP
    HAVING IN INNER INTERVAL IS JOIN LAST LEFT LIKE LIMIT NOT NULL NULLS ON OR ORDER OVER PARTITION QUALIFY RIGHT SELECT
    THEN UNION USING WHEN WHERE WITH
"""
KEYWORDS = frozenset(_KEYWORDS.split())
FORBIDDEN: dict[type[exp.Expr], str] = {
    exp.Pivot: "PIVOT",
    exp.Map: "a MAP literal",
    exp.ToMap: "a MAP literal",
    exp.Struct: "a STRUCT literal",
    exp.GenerateSeries: "generate_series",
    exp.Columns: "COLUMNS",
    exp.ArrayAgg: "list()",
    exp.PercentileCont: "quantile_cont",
    exp.Quantile: "quantile",
    exp.ApproxQuantile: "approx_quantile",
    exp.Median: "median",
    exp.Avg: "avg",
    exp.RegexpExtract: "a regular expression with groups",
    exp.RegexpReplace: "a regular expression with groups",
    exp.Subquery: "a subquery that is no named CTE",
    exp.Lambda: "a lambda",
    exp.IntDiv: "//",
}
NEVER_NULL = frozenset({"due_at", "occurred_at", "outcome", "status", "type"})
"""Columns that `arg_max` and `arg_min` may take without asking for IS NOT NULL."""

MONEY = frozenset({"amount", "escrow", "paid", "refund_pending", "refunded", "to_buyer", "to_seller"})
_WORD = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|[A-Za-z_][A-Za-z_0-9]*")


def problems(sql: str, *, ordered: bool) -> Iterator[str]:
    """Yield what in a statement is not portable; `ordered` is whether it has to end with ORDER BY."""
    try:
        statements = sqlglot.parse(sql, read="duckdb")
    except SqlglotError as error:
        yield f"it does not parse: {error}"
        return
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        yield "it is not one SELECT"
        return
    query = statements[0]
    yield from (f"the keyword {word} is not in capitals" for word in _small_keywords(sql))
    if ordered != bool(query.args.get("order")):
        yield "an answer has an ORDER BY, a relation has none"
    for node in query.walk():
        yield from _of_node(node, query)
    try:
        [spark] = sqlglot.transpile(sql, read="duckdb", write="spark", unsupported_level=ErrorLevel.RAISE)
        sqlglot.parse_one(spark, read="spark")
    except SqlglotError as error:
        yield f"it cannot be said to another engine: {error}"


def _small_keywords(sql: str) -> list[str]:
    words = [word for word in _WORD.findall(sql) if word[0] not in "'\"-"]
    return sorted({word for word in words if word.upper() in KEYWORDS and word != word.upper() and word != "false"})


def _of_node(node: exp.Expr, query: exp.Expr) -> Iterator[str]:
    if type(node) in FORBIDDEN:
        yield FORBIDDEN[type(node)]
    match node:
        case exp.Join() if str(node.args.get("method") or "").upper() == "ASOF":
            yield "ASOF"
        case exp.DateDiff() if str(node.args.get("unit") or "").strip("'").upper() not in ("SECOND", ""):
            yield f"date_diff in {node.args['unit']}"
        case exp.Anonymous():
            yield f"the function {node.name}"
        case exp.TimeToStr() if node.find_ancestor(exp.Select) is not query:
            yield "strftime below the outermost SELECT"
        case exp.Div() if not _is_double(node.this):
            yield "a division that is not of a DOUBLE"
        case exp.Sum() if _is_money(node) and not _is_wide(node):
            yield "a sum of money that is not cast to DECIMAL(38,4)"
        case exp.GroupConcat() if not node.find(exp.Order):
            yield "string_agg without ORDER BY"
        case exp.ArgMax() | exp.ArgMin() if not _is_known(node):
            yield "arg_max over what may be NULL"


def _is_double(node: exp.Expr) -> bool:
    inner = node.unnest()
    if isinstance(inner, exp.Floor | exp.Round):
        return _is_double(inner.this)
    if isinstance(inner, exp.Div):
        return _is_double(inner.this)
    return isinstance(inner, exp.Cast) and inner.to.is_type("double")


def _is_money(node: exp.Expr) -> bool:
    return any(column.name in MONEY for column in node.find_all(exp.Column))


def _is_wide(node: exp.Expr) -> bool:
    cast = node.find_ancestor(exp.Cast, exp.Select)
    return isinstance(cast, exp.Cast) and cast.to.sql("duckdb") == "DECIMAL(38, 4)"


def _is_known(node: exp.Expr) -> bool:
    """Whether an arg_max takes a column that is never NULL, or filters the NULLs out."""
    asked = node.parent.sql() if isinstance(node.parent, exp.Filter) else ""
    return node.this.name in NEVER_NULL or f"NOT {node.this.sql()} IS NULL" in asked
