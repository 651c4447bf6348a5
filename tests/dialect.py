"""How the SQL of the views and audits is written: portable, and all of it in one manner."""

import re
from collections.abc import Iterator

from queries import portable

_KEYWORDS = """
    ALL AND AS ASC BETWEEN BY CASE CAST CROSS DESC DISTINCT ELSE END EXCLUDE EXISTS FALSE FILTER FIRST FROM FULL GROUP
    HAVING IN INNER INTERVAL IS JOIN LAST LEFT LIKE LIMIT NOT NULL NULLS ON OR ORDER OVER PARTITION QUALIFY RIGHT SELECT
    THEN UNION USING WHEN WHERE WITH
"""
KEYWORDS = frozenset(_KEYWORDS.split())
_WORD = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|[A-Za-z_][A-Za-z_0-9]*")


def problems(sql: str, *, ordered: bool) -> Iterator[str]:
    """Yield what in a statement is not portable, or not our manner; `ordered`: whether it has to have an ORDER BY."""
    try:
        query = portable.parsed(sql)
    except ValueError as error:
        yield str(error)
        return
    yield from (f"the keyword {word} is not in capitals" for word in _small_keywords(sql))
    if ordered != bool(query.args.get("order")):
        yield "an answer has an ORDER BY, a relation has none"
    yield from portable.problems(query, {})


def _small_keywords(sql: str) -> list[str]:
    words = [word for word in _WORD.findall(sql) if word[0] not in "'\"-"]
    return sorted({word for word in words if word.upper() in KEYWORDS and word != word.upper() and word != "false"})
