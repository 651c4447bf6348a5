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
    exp.ILike: "ILIKE",
}
_WHOLE = (exp.Round, exp.Floor, exp.Ceil, exp.Count, exp.Length)
"""What a whole number is made of without rounding, which engines do in different ways."""

_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"})
"""Parts of an instant that have the same numbers everywhere."""

_ALIKE = """
    Abs And ArgMax ArgMin Case Cast Ceil Coalesce Concat ConcatWs Contains Count CountIf DateDiff Day DenseRank EndsWith
    Exists Explode Extract FirstValue Floor Greatest GroupConcat Hour If Lag LastValue Lead Least Left Length LogicalAnd
    LogicalOr Max Min Minute Month Nullif Or Pad Quarter Rank RegexpLike Replace Right Round RowNumber Split SplitPart
    StartsWith StrPosition Substring Sum TimeToStr TimestampTrunc Trim Year
"""
ALIKE = frozenset(getattr(exp, name) for name in _ALIKE.split())
"""Functions that all engines take alike; others are refused, although most engines know them."""

NEVER_NULL = frozenset({"due_at", "occurred_at", "status", "type"})
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
        yield from _of_value(node)
        yield from _of_aggregate(node)
        yield from _of_node(node, query)
    try:
        sqlglot.parse_one(for_spark(query), read="spark")
    except SqlglotError as error:
        yield f"what cannot be said to another engine: {error}"


def for_spark(query: exp.Query, named: Callable[[str, str], str] = lambda schema, name: name) -> str:
    """The statement in Spark's SQL, its tables (not its CTEs) named anew from their schemas and names."""
    renamed = query.copy()
    for table in list(_tables(renamed)):
        other = exp.to_table(named(*_name(table)))
        table.replace(exp.alias_(other, table.alias or table.name, table=True))
    for node in list(renamed.find_all(exp.ArgMax, exp.ArgMin)):
        if not isinstance(node.parent, exp.Filter):  # DuckDB leaves out what is NULL
            known = exp.Where(this=exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null())))
            node.replace(exp.Filter(this=node.copy(), expression=known))
    return renamed.sql("spark", unsupported_level=ErrorLevel.RAISE, comments=False)


def names(query: exp.Query) -> set[str]:
    """Every name in a statement, whatever it is of, in small letters."""
    return {identifier.name.lower() for identifier in query.find_all(exp.Identifier)}


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
    """The schemas (nothing for the usual one) and names of the tables that a statement reads, in small letters."""
    return {_name(table) for table in _tables(query)}


def _name(table: exp.Table) -> tuple[str, str]:
    schema = table.db.lower()
    return "" if schema == "main" else schema, table.name.lower()


def _tables(query: exp.Query) -> Iterator[exp.Table]:
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    return (table for table in query.find_all(exp.Table) if table.db or table.name.lower() not in ctes)


def _of_value(node: exp.Expr) -> Iterator[str]:
    match node:
        case exp.Cast() if node.to.is_type(*exp.DataType.INTEGER_TYPES) and not isinstance(node.this.unnest(), _WHOLE):
            yield "a CAST to whole numbers of what is not rounded"
        case exp.Cast() if node.to.is_type(*exp.DataType.TEXT_TYPES) and _is_double(node.this):
            yield "a CAST of a DOUBLE to text"
        case exp.Like() if not node.expression.is_string:
            yield "a pattern of LIKE that is not written out"
        case exp.Like() if "\\" in node.expression.name:
            yield "a backslash in LIKE"
        case exp.Extract() if node.name.upper() not in _PARTS:
            yield f"EXTRACT of {node.name}"
        case exp.Round() if node.args.get("decimals"):
            yield "round to decimals: write round(x * 100) / 100"
        case exp.Div() if not _is_double(node.this):
            yield "a division that is not of a DOUBLE"


def _of_aggregate(node: exp.Expr) -> Iterator[str]:
    match node:
        case exp.Sum() if _is_double(node.this):
            yield "a sum of DOUBLEs"
        case exp.Sum() if _is_money(node) and not _is_wide(node):
            yield "a sum of money that is not cast to DECIMAL(38,4)"
        case exp.GroupConcat() if node.find(exp.Distinct):
            yield "string_agg of DISTINCT"
        case exp.GroupConcat() if not node.find(exp.Order):
            yield "string_agg without ORDER BY"
        case exp.ArgMax() | exp.ArgMin() if not _is_known(node):
            yield "arg_max over what may be NULL"


def _of_node(node: exp.Expr, query: exp.Expr) -> Iterator[str]:
    match node:
        case exp.With() if node.args.get("recursive"):
            yield "WITH RECURSIVE"
        case exp.With() if _reads_what_is_named_later(node):
            yield "a CTE that has the name of a relation read before it"
        case exp.Join() if str(node.args.get("method") or "").upper() == "ASOF":
            yield "ASOF"
        case exp.DateDiff() if str(node.args.get("unit") or "").strip("'").upper() not in ("SECOND", ""):
            yield f"date_diff in {node.args['unit']}"
        case exp.Anonymous():
            yield f"the function {node.name}"
        case exp.Func() if type(node) not in ALIKE:
            yield f"the function {node.sql_name().lower()}"
        case exp.Distinct() if node.args.get("on"):
            yield "DISTINCT ON"
        case exp.TimeToStr() if node.find_ancestor(exp.Select) is not query:
            yield "strftime below the outermost SELECT"
        case exp.Select() if node.args.get("qualify") and any(column.is_star for column in node.expressions):
            yield "QUALIFY beside a *"
        case exp.Table() if not isinstance(node.this, exp.Identifier):
            yield "a table function"


def _reads_what_is_named_later(node: exp.With) -> bool:
    """Whether a CTE reads a relation that has its own name, or a later one's."""
    later = {cte.alias.lower() for cte in node.expressions}
    for cte in node.expressions:
        if any(not table.db and table.name.lower() in later for table in cte.this.find_all(exp.Table)):
            return True
        later.discard(cte.alias.lower())
    return False


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
