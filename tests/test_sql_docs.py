"""docs/sql.md and `schema --sql` describe the relations and audits that there are.

`UPDATE_DOCS=1 pytest tests/test_sql_docs.py` writes the described parts of the page anew.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands.main import run
from queries import catalog, describe
from queries.relations import view_sql
from tests.logs import relations
from tests.pages import filled, keep, table
from tests.running import ROOT

PAGE = ROOT / "docs" / "sql.md"


def _relations(folder: Path) -> Iterator[str]:
    with relations(folder, []) as opened:
        for relation in describe.relations(opened):
            yield f"## {relation.name}\n\n{relation.question} Rows: {relation.rows}."
            columns = [(f"`{column.name}`", f"`{column.type}`", column.text) for column in relation.columns]
            yield table(("column", "type", "what it says"), *columns)


def _audits() -> Iterator[str]:
    for audit in catalog.audits().values():
        yield f"### {audit.name}\n\n{audit.question}"
        if audit.params:
            given = [
                (f"`--{param.name.replace('_', '-')}`", f"`{param.type}`", param.help or "", _default(param.default))
                for param in audit.params
            ]
            yield table(("parameter", "type", "what it does", "when not given"), *given)
        yield "Columns: " + ", ".join(f"`{column.name} {column.type}`" for column in audit.columns)


def _default(value: object) -> str:
    return "no limit" if value is None else f"{value}"


def test_the_page_describes_what_there_is(tmp_path: Path) -> None:
    page = PAGE.read_text()
    keep(PAGE, filled(filled(page, "relations", _relations(tmp_path)), "audits", _audits()))


def test_schema_describes_every_column(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["schema", "--sql", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    with relations(tmp_path, []) as opened:
        expected = [(relation.name, *column) for relation in describe.relations(opened) for column in relation.columns]
    assert [tuple(row.values()) for row in rows] == expected
    assert all(row["description"] for row in rows)
    assert {row["relation"] for row in rows} >= {"clock", "events", "orders", "postings", "closures"}


def test_no_column_is_described_that_is_not_there(tmp_path: Path) -> None:
    with relations(tmp_path, []) as opened:
        for relation in describe.relations(opened):
            if relation.name != "clock":
                heads = catalog.headers(view_sql(relation.name))
                named = [text.split()[0] for _, key, text in heads if key == "columns"]
                assert set(named) <= {column.name for column in relation.columns}
                assert len(set(named)) == len(named)
