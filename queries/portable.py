"""SQL that other engines run too: what in a statement is not portable, and the statement as Apache Spark writes it.

A statement is written in DuckDB's SQL; docs/sql.md says what of it is portable.
"""

from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

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


def parsed(sql: str) -> exp.Query:
    """The syntax tree of one SELECT; ValueError says why it is none."""
    try:
        statements = sqlglot.parse(sql, read="duckdb")
    except SqlglotError as error:
        raise ValueError(f"it does not parse: {error}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ValueError("it is not one SELECT")
    return statements[0]


def problems(query: exp.Query) -> Iterator[str]:
    """Name what in a statement other engines do not know, or take for something else."""
    for node in query.walk():
        if type(node) in FORBIDDEN:
            yield FORBIDDEN[type(node)]
        yield from _of_node(node, query)
    try:
        sqlglot.parse_one(for_spark(query), read="spark")
    except SqlglotError as error:
        yield f"what cannot be said to another engine: {error}"


def for_spark(query: exp.Query, named: Callable[[str, str], str] = lambda schema, name: name) -> str:
    """The statement in Spark's SQL, its tables (not its CTEs) named anew from their schemas and names."""
    renamed = query.copy()
    for table in list(_tables(renamed)):
        other = exp.to_table(named(table.db, table.name))
        table.replace(exp.alias_(other, table.alias or table.name, table=True))
    return renamed.sql("spark", unsupported_level=ErrorLevel.RAISE, comments=False)


def names(query: exp.Query) -> set[str]:
    """Every name in a statement, whatever it is of."""
    return {identifier.name for identifier in query.find_all(exp.Identifier)}


def takes_all(query: exp.Query) -> bool:
    """Whether a statement takes the columns of some relation without naming each."""
    stars = (star for star in query.find_all(exp.Star) if not isinstance(star.parent, exp.Count))
    natural = (join for join in query.find_all(exp.Join) if str(join.args.get("method") or "").upper() == "NATURAL")
    return any(stars) or any(natural)


def without_ctes(query: exp.Query, schema: str) -> exp.Query:
    """The statement reading relations of a schema that have the names of its CTEs, instead of these."""
    bare = query.copy()
    ctes = {cte.alias for cte in bare.ctes}
    bare.set("with_", None)
    for table in list(bare.find_all(exp.Table)):
        if not table.db and table.name in ctes:
            table.replace(exp.alias_(exp.to_table(f"{schema}.{table.name}"), table.alias or table.name, table=True))
    return bare


def tables(query: exp.Query) -> set[tuple[str, str]]:
    """The schemas (nothing for none) and names of the tables that a statement reads."""
    return {(table.db, table.name) for table in _tables(query)}


def _tables(query: exp.Query) -> Iterator[exp.Table]:
    ctes = {cte.alias for cte in query.find_all(exp.CTE)}
    return (table for table in query.find_all(exp.Table) if table.db or table.name not in ctes)


def _of_node(node: exp.Expr, query: exp.Expr) -> Iterator[str]:
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
        case exp.Select() if node.args.get("qualify") and any(column.is_star for column in node.expressions):
            yield "QUALIFY beside a *"
        case exp.Table() if not isinstance(node.this, exp.Identifier):
            yield "a table function"


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
