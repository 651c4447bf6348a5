"""What in a statement engines do not take alike: everything of which it is not known that all take it the same way.

A statement is a tree. `SHAPES` has the nodes that may be in it, each with the parts that it may have; anything else is
refused by its name. The rules below look at what stands in the nodes.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping

from sqlglot import exp

_SHAPES = """
    Select: expressions from_ joins where group having qualify order limit offset with_ distinct
    Union: this expression distinct with_ order limit offset
    Except: this expression distinct with_ order limit offset
    Intersect: this expression distinct with_ order limit offset
    With: expressions
    CTE: this alias
    From: this
    Table: this db alias
    TableAlias: this
    Join: this kind side on using method
    Where: this
    Group: expressions all
    Rollup: expressions
    Cube: expressions
    GroupingSets: expressions
    Tuple: expressions
    Having: this
    Qualify: this
    Order: this expressions
    Ordered: this desc nulls_first
    Limit: expression
    Offset: expression
    Distinct: expressions
    Star: except_
    Column: this table db
    Identifier: this quoted
    Alias: this alias
    Paren: this
    Literal: this is_string
    Boolean: this
    Null:
    Placeholder: this
    Var: this
    Not: this
    EQ: this expression
    NEQ: this expression
    GT: this expression
    GTE: this expression
    LT: this expression
    LTE: this expression
    NullSafeEQ: this expression
    NullSafeNEQ: this expression
    Is: this expression
    In: this expressions
    Between: this low high
    Like: this expression
    Escape: this expression
    Add: this expression
    Sub: this expression
    Mul: this expression
    Div: this expression typed safe
    Mod: this expression
    DPipe: this expression safe
    Neg: this
    Cast: this to
    DataType: this expressions
    DataTypeParam: this
    Interval: this unit
    Filter: this expression
    Window: this partition_by order over spec
    WindowSpec: kind start start_side end end_side
    IgnoreNulls: this
"""
SHAPES = {
    getattr(exp, name.strip()): frozenset(parts.split())
    for name, _, parts in (line.partition(":") for line in _SHAPES.strip().splitlines())
}
"""The nodes that are no functions, each with the parts that it may have."""

_FUNCTIONS = """
    Abs And ArgMax ArgMin Case Ceil Coalesce Concat ConcatWs Contains Count CountIf DateDiff Day DenseRank EndsWith
    Exists Explode Extract FirstValue Floor Greatest GroupConcat Hour If Lag LastValue Lead Least Left Length LogicalAnd
    LogicalOr Max Min Minute Month Nullif Or Pad Quarter Rank Replace Right Round RowNumber Split SplitPart StartsWith
    StrPosition Substring Sum TimeToStr TimestampTrunc Trim Year
"""
FUNCTIONS = frozenset(getattr(exp, name) for name in _FUNCTIONS.split())
"""The functions that all engines take alike; others are refused, although most engines know them."""

NAMES: dict[type[exp.Expr], str] = {
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
    exp.RegexpExtract: "a regular expression",
    exp.RegexpFullMatch: "a regular expression",
    exp.RegexpLike: "a regular expression",
    exp.RegexpReplace: "a regular expression",
    exp.Subquery: "a subquery that is no named CTE",
    exp.Lambda: "a lambda",
    exp.IntDiv: "//",
    exp.ILike: "ILIKE",
    exp.Bracket: "an element of a list",
    exp.TryCast: "TRY_CAST",
}
"""What is refused, where its own name would say less."""

MONEY = frozenset({"amount", "escrow", "paid", "refund_pending", "refunded", "to_buyer", "to_seller"})

NEVER_NULL = frozenset({"due_at", "occurred_at", "status", "type"})
"""Columns that `arg_max` and `arg_min` may take without asking for IS NOT NULL."""

Types = Mapping[str, Collection[str]]
"""The types that the columns of a name have, in DuckDB's words; of a name that is not there nothing is known."""

_CASTS = frozenset({"BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "INT", "TEXT", "TIMESTAMPNTZ"})
_DOUBLES = frozenset({"DOUBLE", "FLOAT"})
_INSTANTS = frozenset({"DATE", "TIMESTAMP", "TIMESTAMPNTZ"})

_WHOLE = (exp.Round, exp.Floor, exp.Ceil, exp.Count, exp.Length)
"""What a whole number is made of without rounding, which engines do in different ways."""

_PARTS = frozenset({"YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE"})
"""Parts of an instant that have the same numbers everywhere."""

_BEGINNINGS = frozenset({"YEAR", "QUARTER", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND"})
"""What an instant is cut to everywhere."""

_UNITS = frozenset({"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})
"""What intervals are of everywhere."""

_FORMAT = re.compile(r"(%[YmdHMS]|[- :./,])*")
"""How an instant is written everywhere."""

_OF_WHAT_THEY_ARE_GIVEN = """
    Abs ArgMax ArgMin Case Ceil Coalesce FirstValue Floor Greatest If Lag LastValue Lead Least Max Min Nullif Round Sum
"""
_GIVES = tuple(getattr(exp, name) for name in _OF_WHAT_THEY_ARE_GIVEN.split())
"""Functions that give what they are given, or something of its type."""

_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg)


def problems(query: exp.Query, types: Types) -> Iterator[str]:
    """Name what in a statement other engines do not know, or take for something else."""
    for node in query.walk():
        yield from _of_shape(node)
        for rule in (_of_clause, _of_value, _of_text, _of_instant, _of_aggregate):
            yield from rule(node, types)
        if isinstance(node, exp.With) and node.parent is not query:
            yield "a WITH inside another query"
        if isinstance(node, exp.TimeToStr) and node.find_ancestor(exp.Select) is not query:
            yield "strftime below the outermost SELECT"


def _of_shape(node: exp.Expr) -> Iterator[str]:
    kind = type(node)
    if kind in NAMES:
        yield NAMES[kind]
    elif isinstance(node, exp.Anonymous):
        yield f"the function {node.name}"
    elif kind in SHAPES:
        for part, value in node.args.items():
            if value not in (None, False, [], "") and part not in SHAPES[kind]:
                yield f"{part.strip('_').replace('_', ' ')} in {_spelled(kind)}"
    elif kind not in FUNCTIONS:
        yield f"the function {node.sql_name().lower()}" if isinstance(node, exp.Func) else _spelled(kind)


def _spelled(kind: type[exp.Expr]) -> str:
    """The name of a kind of node in words: `bitwise and`, `table sample`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__).lower()


def _of_clause(node: exp.Expr, types: Types) -> Iterator[str]:
    match node:
        case exp.With() if node.args.get("recursive"):
            yield "WITH RECURSIVE"
        case exp.With() if _reads_what_is_named_later(node):
            yield "a CTE that has the name of a relation read before it"
        case exp.Join() if str(node.args.get("method") or "").upper() not in ("", "NATURAL"):
            yield str(node.args["method"]).upper()
        case exp.Table() if not isinstance(node.this, exp.Identifier):
            yield "a table function"
        case exp.Distinct() if node.args.get("on"):
            yield "DISTINCT ON"
        case exp.WindowSpec() if node.args.get("kind") not in ("ROWS", "RANGE"):
            yield f"{node.args.get('kind')} in a window"
        case exp.Limit() | exp.Offset() if not isinstance(node.expression, exp.Literal | exp.Placeholder):
            yield "a LIMIT that is computed"
        case exp.Select() if sum(1 for column in node.expressions if column.find(exp.Explode)) > 1:
            yield "two unnest in one SELECT"
        case exp.Select() if node.args.get("qualify"):
            yield from _of_qualify(node, types)
    if isinstance(node, exp.Select) and _is_ordered_by_an_alias_in_something(node):
        yield "an ORDER BY of something made of an alias"


def _of_qualify(select: exp.Select, types: Types) -> Iterator[str]:
    """What other engines, which have no QUALIFY, cannot make of a SELECT that is wrapped into another."""
    columns = select.expressions
    if any(column.is_star for column in columns):
        yield "QUALIFY beside a *"
    for clause in ("limit", "offset", "distinct"):
        if select.args.get(clause):
            yield f"QUALIFY beside {clause.upper()}"
    read = {column.name.lower() for one in columns for column in one.find_all(exp.Column)} | {*types}
    outside = [column for column in select.args["qualify"].find_all(exp.Column) if not column.find_ancestor(exp.Window)]
    if any(column.name.lower() in _aliases(select) & read for column in outside):
        yield "an alias with the name of a column in QUALIFY"
    if any(column.table for column in outside):
        yield "a column of a named table in QUALIFY"


def _aliases(select: exp.Select) -> set[str]:
    """The names that a SELECT gives to what is no column of that name."""
    return {
        one.alias.lower()
        for one in select.expressions
        if isinstance(one, exp.Alias)
        and not (isinstance(one.this, exp.Column) and one.this.name.lower() == one.alias.lower())
    }


def _is_ordered_by_an_alias_in_something(select: exp.Select) -> bool:
    order, aliases = select.args.get("order"), _aliases(select)
    return any(
        column.name.lower() in aliases
        for one in (order.expressions if order else ())
        if not isinstance(one.this, exp.Column)
        for column in one.find_all(exp.Column)
        if not column.table
    )


def _reads_what_is_named_later(node: exp.With) -> bool:
    """Whether a CTE reads a relation that has its own name, or a later one's."""
    later = {cte.alias.lower() for cte in node.expressions}
    for cte in node.expressions:
        if any(not table.db and table.name.lower() in later for table in cte.this.find_all(exp.Table)):
            return True
        later.discard(cte.alias.lower())
    return False


def _of_value(node: exp.Expr, types: Types) -> Iterator[str]:
    match node:
        case exp.Cast() if node.to.this.name not in _CASTS:
            yield f"a CAST to {node.to.sql('duckdb')}"
        case exp.Cast() if node.to.is_type(*exp.DataType.INTEGER_TYPES) and not isinstance(node.this.unnest(), _WHOLE):
            yield "a CAST to whole numbers of what is not rounded"
        case exp.Cast() if node.to.is_type("text") and _is_double(node.this, types):
            yield "a CAST of a DOUBLE to text"
        case exp.Cast() if node.to.is_type("decimal") and _is_double(node.this, types):
            yield "a CAST of a DOUBLE to DECIMAL"
        case exp.Round() if node.args.get("decimals"):
            yield "round to decimals: write round(x * 100) / 100"
        case exp.Div() if not _is_double(node.this, types):
            yield "a division that is not of a DOUBLE"
        case exp.Like() if not node.expression.is_string:
            yield "a pattern of LIKE that is not written out"
        case exp.Like() if "\\" in node.expression.name:
            yield "a backslash in LIKE"


def _of_text(node: exp.Expr, types: Types) -> Iterator[str]:
    match node:
        case exp.DPipe() | exp.Concat() | exp.ConcatWs() if any(
            _is_double(part, types) for part in node.iter_expressions()
        ):
            yield "a DOUBLE as text"
        case exp.DPipe() if isinstance(node.parent, _ARITHMETIC) or any(
            isinstance(part, _ARITHMETIC) for part in _parts(node)
        ):
            yield "|| beside + or - without parentheses"
        case exp.Left() | exp.Right() if not _is_at_least(node.expression, 0):
            yield f"{node.sql_name().lower()} with a number that may be negative"
        case exp.Substring() if not (
            _is_at_least(node.args["start"], 1) and _is_at_least(node.args.get("length") or exp.Literal.number(0), 0)
        ):
            yield "substr with a number that may be less than 1"
        case exp.SplitPart() if not (_is_plain(node.args["delimiter"]) and _is_at_least(node.args["part_index"], 1)):
            yield "split_part with a number that may be less than 1, or a separator that is not plain text"
        case exp.Split() if not _is_plain(node.expression):
            yield "string_split with a separator that is not plain text"
        case exp.Pad() if not (_is_plain(node.args.get("fill_pattern")) and _is_at_least(node.expression, 0)):
            yield "lpad or rpad with a number that may be negative, or nothing to fill with"


def _parts(node: exp.Expr) -> tuple[exp.Expr, exp.Expr]:
    return node.this, node.expression


def _is_plain(node: exp.Expr | None) -> bool:
    """Whether a value is a text that is written out, not empty, and means itself in a pattern too."""
    return node is not None and node.is_string and bool(node.name) and "\\" not in node.name


def _is_at_least(node: exp.Expr, least: int) -> bool:
    """Whether a whole number can be seen not to be less."""
    inner = node.unnest()
    if isinstance(inner, exp.Add) and _is_at_least(inner.this, 0) and _is_at_least(inner.expression, least):
        return True
    if isinstance(inner, exp.Literal):
        return not inner.is_string and inner.name.isdecimal() and int(inner.name) >= least
    return least <= 0 and isinstance(inner, exp.StrPosition | exp.Length | exp.Count)


def _of_instant(node: exp.Expr, types: Types) -> Iterator[str]:
    match node:
        case exp.Extract() if node.name.upper() not in _PARTS:
            yield f"EXTRACT of {node.name}"
        case exp.DateDiff() if _unit(node) not in ("SECOND", ""):
            yield f"date_diff in {node.args['unit']}"
        case exp.TimestampTrunc() if _unit(node) not in _BEGINNINGS:
            yield f"date_trunc to {node.args['unit']}"
        case exp.Interval() if _unit(node) not in _UNITS or not _is_a_number(node.this):
            yield "an INTERVAL that is no whole number of seconds, minutes, hours, days, months or years"
        case exp.TimeToStr() if not (node.args["format"].is_string and _FORMAT.fullmatch(node.args["format"].name)):
            yield "strftime with a format of more than %Y %m %d %H %M %S and marks between"
        case exp.Sub() if _is_instant(node.this, types) and not node.expression.find(exp.Interval):
            yield "a difference of instants: write date_diff('second', a, b)"


def _unit(node: exp.Expr) -> str:
    return str(node.args.get("unit") or "").strip("'").upper()


def _is_a_number(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) and node.name.isdecimal()


def _of_aggregate(node: exp.Expr, types: Types) -> Iterator[str]:
    match node:
        case exp.Sum() if _is_double(node.this, types):
            yield "a sum of DOUBLEs"
        case exp.Sum() if _is_money(node) and not _is_wide(node):
            yield "a sum of money that is not cast to DECIMAL(38,4)"
        case exp.GroupConcat() if node.find(exp.Distinct):
            yield "string_agg of DISTINCT"
        case exp.GroupConcat() if not node.find(exp.Order):
            yield "string_agg without ORDER BY"
        case exp.ArgMax() | exp.ArgMin() if not _is_known(node):
            yield "arg_max over what may be NULL"


def _is_money(node: exp.Expr) -> bool:
    return any(column.name in MONEY for column in node.find_all(exp.Column))


def _is_wide(node: exp.Expr) -> bool:
    cast = node.find_ancestor(exp.Cast, exp.Select)
    return isinstance(cast, exp.Cast) and cast.to.sql("duckdb") == "DECIMAL(38, 4)"


def _is_known(node: exp.Expr) -> bool:
    """Whether an arg_max takes a column that is never NULL, or filters the NULLs out."""
    if node.this.name in NEVER_NULL:
        return True
    if not isinstance(node.parent, exp.Filter):
        return False
    asked = node.parent.expression.this
    known = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
    return known in (asked.flatten() if isinstance(asked, exp.And) else (asked,))


def _is_double(node: exp.Expr, types: Types) -> bool:
    def is_source(one: exp.Expr) -> bool:
        match one:
            case exp.Cast():
                return one.to.is_type("double", "float")
            case exp.Column():
                return not _DOUBLES.isdisjoint(types.get(one.name.lower(), ()))
            case exp.Literal():
                return not one.is_string and "e" in one.name.lower()
        return False

    return _is_made_of(node, is_source)


def _is_instant(node: exp.Expr, types: Types) -> bool:
    def is_source(one: exp.Expr) -> bool:
        match one:
            case exp.Cast():
                return one.to.this.name in _INSTANTS
            case exp.Column():
                return not _INSTANTS.isdisjoint(types.get(one.name.lower(), ()))
        return isinstance(one, exp.TimestampTrunc) or (isinstance(one, exp.Placeholder) and one.name == "now")

    return _is_made_of(node, is_source)


def _is_made_of(node: exp.Expr, is_source: Callable[[exp.Expr], bool]) -> bool:
    """Whether a value is, or is computed from, one of a type, and not only from something told about it."""
    if is_source(node):
        return True
    if isinstance(node, exp.Cast | exp.Predicate) or (isinstance(node, exp.Func) and not isinstance(node, _GIVES)):
        return False
    return any(_is_made_of(child, is_source) for child in node.iter_expressions())
