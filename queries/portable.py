"""SQL that other engines run too: statements in DuckDB's SQL as Apache Spark writes them.

What of it is portable stands in `alike.py`, and in words in docs/sql.md.
"""

from collections.abc import Callable, Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError

from queries import alike


def parsed(sql: str) -> exp.Query:
    """The syntax tree of one SELECT; ValueError says why it is none."""
    try:
        found = sqlglot.parse(sql, read="duckdb")
    except SqlglotError as error:
        raise ValueError(f"it does not parse: {_said(error)}") from error
    statements = [one for one in found if not isinstance(one, exp.Semicolon)]  # which has a comment after it
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise ValueError("it is not one SELECT")
    return statements[0]


def problems(query: exp.Query, types: alike.Types) -> Iterator[str]:
    """Name what in a statement other engines do not know, or take for something else; `types` of columns by name."""
    yield from alike.problems(query, types)
    try:
        sqlglot.parse_one(for_spark(query), read="spark")
    except SqlglotError as error:
        yield f"what cannot be said to another engine: {_said(error)}"


def for_spark(query: exp.Query, named: Callable[[str, str], str] = lambda schema, name: name) -> str:
    """The statement in Spark's SQL, its tables (not its CTEs) named anew from their schemas and names."""
    renamed = query.copy()
    for table in list(_tables(renamed)):
        other = exp.to_table(named(*_name(table)))
        table.replace(exp.alias_(other, table.alias or table.name, table=True))
    for node in list(renamed.find_all(exp.ArgMax, exp.ArgMin)):  # DuckDB leaves out what is NULL
        known = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
        if isinstance(node.parent, exp.Filter):
            asked = node.parent.expression
            asked.set("this", exp.and_(asked.this, known))
        else:
            node.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=known)))
    for apart in renamed.find_all(exp.DateDiff):  # DuckDB counts the seconds that begin between two instants
        for part in ("this", "expression"):
            apart.set(part, exp.TimestampTrunc(this=apart.args[part], unit=exp.Var(this="SECOND")))
    return renamed.sql("spark", unsupported_level=ErrorLevel.RAISE, comments=False)


def _said(error: SqlglotError) -> str:
    """What is wrong with a text, without the marks that a terminal would show."""
    told = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    return f"{told['description']} at {told['highlight']!r}" if told else " ".join(str(error).split())


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


def each_cte(query: exp.Query) -> Iterator[str]:
    """Statements that give what each CTE of a statement gives."""
    for number, cte in enumerate(query.ctes, start=1):
        told = exp.select("*").from_(exp.to_identifier(cte.alias))
        told.set("with_", exp.With(expressions=[other.copy() for other in query.ctes[:number]]))
        yield told.sql("duckdb")


def tables(query: exp.Query) -> set[tuple[str, str]]:
    """The schemas (nothing for the usual one) and names of the tables that a statement reads, in small letters."""
    return {_name(table) for table in _tables(query)}


def _name(table: exp.Table) -> tuple[str, str]:
    schema = table.db.lower()
    return "" if schema == "main" else schema, table.name.lower()


def _tables(query: exp.Query) -> Iterator[exp.Table]:
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    return (table for table in query.find_all(exp.Table) if table.db or table.name.lower() not in ctes)
