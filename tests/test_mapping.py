"""Maps: rows of tabular files become facts, and a map reads nothing else."""

import json
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ledger import errors
from ledger.events import Placed
from queries.mapping import fact_lines


def _facts(tmp_path: Path, sql: str, **tables: Path) -> list[dict[str, Any]]:
    map_path = tmp_path / "map.sql"
    map_path.write_text(sql)
    return [json.loads(line) for line in fact_lines(map_path, tables)]


def _file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


ROWS = {
    "o.csv": "id,sum,ts\n007,12.30,2024-01-01 10:00:00\n8,,\n",
    "o.tsv": "id\tsum\tts\n007\t12.30\t2024-01-01 10:00:00\n8\t\t\n",
    "o.json": '[{"id":"007","sum":"12.30","ts":"2024-01-01 10:00:00"},{"id":"8"}]',
    "o.jsonl": '{"id":"007","sum":"12.30","ts":"2024-01-01 10:00:00"}\n{"id":"8"}\n',
    "o.ndjson": '{"id":"007","sum":"12.30","ts":"2024-01-01 10:00:00"}\n{"id":"8"}\n',
    "O.CSV": "id,sum,ts\n007,12.30,2024-01-01 10:00:00\n8,,\n",
}


@pytest.mark.parametrize("name", ROWS)
def test_every_kind_of_file_is_a_table_of_text(tmp_path: Path, name: str) -> None:
    sql = (
        "SELECT id AS order_id, sum AS amount, CAST(ts AS TIMESTAMP) AS pay_by, typeof(sum) AS note FROM o ORDER BY 1;"
    )
    assert _facts(tmp_path, sql, o=_file(tmp_path, name, ROWS[name])) == [
        {"order_id": "007", "amount": "12.30", "pay_by": "2024-01-01T10:00:00Z", "note": "VARCHAR"},
        {"order_id": "8", "note": "VARCHAR"},
    ]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "o.parquet"
    duckdb.execute(f"COPY (SELECT 7 AS id, 12.30::DECIMAL(18,4) AS sum) TO '{path}'")
    assert _facts(tmp_path, "SELECT id AS order_id, sum AS amount FROM o", o=path) == [
        {"order_id": "7", "amount": "12.3"}
    ]


def test_values_become_what_a_fact_says(tmp_path: Path) -> None:
    sql = """
    -- what every type becomes ;
    SELECT 'placed' AS type, 12 AS amount, 1.5000::DECIMAL(18,4) AS claim, 3 AS days, 2::HUGEINT AS processing_days,
        5.0::DECIMAL(5,1) AS protection_days, true AS complaint, NULL AS note, NULL::BIGINT AS retracts,
        TIMESTAMP '2024-01-01 10:00:00.5' AS occurred_at,
        timezone('America/Sao_Paulo', TIMESTAMP '2024-01-01 10:00:00') AS pay_by, 'x' AS title,
        100::DECIMAL(5,0) AS to_buyer, [{'quantity': 2, 'price': 3.10::DECIMAL(9,2), 'sku': NULL}] AS items; -- the end
    """
    assert _facts(tmp_path, sql) == [
        {
            "type": "placed",
            "amount": "12",
            "claim": "1.5",
            "days": 3,
            "processing_days": 2,
            "protection_days": 5,
            "complaint": True,
            "occurred_at": "2024-01-01T10:00:00.500000Z",
            "pay_by": "2024-01-01T13:00:00Z",
            "title": "x",
            "to_buyer": "100",
            "items": [{"quantity": 2, "price": "3.1"}],
        }
    ]


def test_json_columns_and_nested_json_are_taken_whole(tmp_path: Path) -> None:
    text = '{"id":1,"lines":[{"quantity":"2","price":"1.10"}],"raw":{"deep":{"x":1.10}}}\n'
    path = _file(tmp_path, "o.jsonl", text)
    sql = "SELECT id AS order_id, lines AS items, to_json(lines) AS attachments, raw.deep.x AS note FROM o"
    [fact] = _facts(tmp_path, sql, o=path)
    assert fact["items"] == [{"quantity": 2, "price": "1.10"}]
    assert fact["attachments"] == [{"quantity": "2", "price": "1.10"}]
    assert (fact["order_id"], fact["note"]) == ("1", "1.1")


def test_a_mapped_line_is_a_fact(tmp_path: Path) -> None:
    sql = """SELECT 'placed' AS type, '1' AS order_id, TIMESTAMP '2024-01-01' AS occurred_at, 's' AS seller,
        12.30::DECIMAL(9,2) AS amount, 'USD' AS currency, '9' AS processing_days,
        [{'quantity': 1, 'price': '12.30'}] AS items"""
    map_path = _file(tmp_path, "map.sql", sql)
    [line] = fact_lines(map_path, {})
    fact = msgspec.json.decode(line, type=Placed)
    assert (fact.amount, fact.processing_days) == ("12.3", 9)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("SELECT 1 AS order_idd", "no fact has a field order_idd"),
        ("SELECT 1 AS zzzzzz", "no fact has a field zzzzzz"),
        ("SELECT 'a' AS note, 'b' AS note", "two columns are called note"),
        ("SELECT 1.5::DOUBLE AS amount", "column amount is DOUBLE"),
        ("SELECT 1.5::FLOAT AS amount", "column amount is FLOAT"),
        ("SELECT [{'price': 1.5::DOUBLE}] AS items", r"column items is STRUCT\(price DOUBLE\)\[\]"),
        ("SELECT DATE '2024-01-01' AS occurred_at", "column occurred_at is DATE"),
        ("SELECT INTERVAL 1 DAY AS days", "column days is INTERVAL"),
        ("SELECT 'x'::BLOB AS note", "column note is BLOB"),
        ("SELECT [now()] AS note", "column note is"),
        ("SELECT [DATE '2024-01-01'] AS items", "column items"),
        ("SELECT $x AS note", "names \\$x"),
        ("SELECT 1 AS note; SELECT 2 AS note", "2 statements"),
        ("COPY (SELECT 1) TO '/tmp/never'", "no SELECT"),
        ("SELEC 1", "does not parse"),
        ("SELECT content AS note FROM read_text('/etc/passwd')", "read_text cannot be used"),
        ("SELECT * FROM '/etc/passwd'", "a file cannot be used"),
        ("SELECT file AS note FROM glob('/etc/*')", "glob cannot be used"),
    ],
)
def test_a_wrong_map_is_told_before_any_row_is_read(tmp_path: Path, sql: str, what: str) -> None:
    with pytest.raises(errors.Usage, match=what) as caught:
        _facts(tmp_path, sql)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_map_reads_the_named_files_and_no_others(tmp_path: Path) -> None:
    one, other = _file(tmp_path, "one.csv", "a\n1\n"), _file(tmp_path, "other.csv", "a\n2\n")
    assert _facts(tmp_path, "SELECT a AS note FROM one", one=one) == [{"note": "1"}]
    for table in (f"'{other}'", f"read_csv('{other}')", f"read_csv('{tmp_path}/*.csv')", "other"):
        with pytest.raises(errors.Usage):
            _facts(tmp_path, f"SELECT a AS note FROM {table}", one=one)


@pytest.mark.parametrize("name", ["it's.csv", "a[1].csv", "*.csv", "ö ö.csv", "x=1.csv"])
def test_a_file_may_have_any_name(tmp_path: Path, name: str) -> None:
    _file(tmp_path, "another.csv", "note\nwrong\n")
    path = _file(tmp_path, name, "note\nright\n")
    assert _facts(tmp_path, "SELECT * FROM t", t=path) == [{"note": "right"}]


@pytest.mark.parametrize("name", ["Orders", "1a", "a-b", "", 'a"b', "a b"])
def test_a_table_has_a_plain_name(tmp_path: Path, name: str) -> None:
    path = _file(tmp_path, "o.csv", "note\n1\n")
    with pytest.raises(errors.Usage, match="no name for a table"):
        _facts(tmp_path, "SELECT 1 AS note", **{name: path})


def test_a_table_may_be_called_like_a_word_of_sql(tmp_path: Path) -> None:
    path = _file(tmp_path, "o.csv", "note\n1\n")
    assert _facts(tmp_path, 'SELECT * FROM "order"', order=path) == [{"note": "1"}]


def test_files_that_cannot_be_read_are_bad_input(tmp_path: Path) -> None:
    map_path = _file(tmp_path, "map.sql", "SELECT * FROM t")
    with pytest.raises(errors.BadInput, match=r"missing\.csv"):
        list(fact_lines(map_path, {"t": tmp_path / "missing.csv"}))
    with pytest.raises(errors.BadInput, match=r"nowhere\.sql"):
        list(fact_lines(tmp_path / "nowhere.sql", {}))
    with pytest.raises(errors.Usage, match=r"\.xlsx"):
        list(fact_lines(map_path, {"t": _file(tmp_path, "o.xlsx", "")}))
    with pytest.raises(errors.BadInput, match="stopped"):
        list(fact_lines(map_path, {"t": _file(tmp_path, "o.json", "{broken")}))


def test_a_value_that_does_not_convert_is_bad_input(tmp_path: Path) -> None:
    path = _file(tmp_path, "o.csv", "sum\n12\nmuch\n")
    with pytest.raises(errors.BadInput, match="stopped"):
        _facts(tmp_path, "SELECT CAST(sum AS DECIMAL(9,2)) AS amount FROM o", o=path)


def test_a_json_column_of_mixed_scalars_is_text(tmp_path: Path) -> None:
    path = _file(tmp_path, "o.json", '[{"paid":"7.00"},{"paid":7.5},{"paid":true},{"paid":null},{"paid":{"x":1}}]')
    sql = "SELECT paid AS amount, '<' || paid || '>' AS note, typeof(paid) AS source FROM o"
    kind = {"source": "VARCHAR"}
    assert _facts(tmp_path, sql, o=path) == [
        {"amount": "7.00", "note": "<7.00>"} | kind,
        {"amount": "7.5", "note": "<7.5>"} | kind,
        {"amount": "true", "note": "<true>"} | kind,
        kind,
        {"amount": '{"x":1}', "note": '<{"x":1}>'} | kind,
    ]


def test_mixed_scalars_inside_lists_and_objects_are_text_too(tmp_path: Path) -> None:
    text = '{"l":[1,"x"],"o":{"p":1}}\n{"l":[2.5],"o":{"p":"2.50"}}\n'
    path = _file(tmp_path, "o.jsonl", text)
    assert _facts(tmp_path, "SELECT l[1] AS note, o.p AS amount FROM o", o=path) == [
        {"note": "1", "amount": "1"},
        {"note": "2.5", "amount": "2.50"},
    ]


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT idd AS order_id FROM o", 'the nearest columns: "id"'),
        ("SELECT id AS order_id FROM orders", "the relations here are o"),
        ("SELECT id AS order_id FROM o; SELECT 1", "write one SELECT"),
    ],
)
def test_a_wrong_name_in_a_map_is_answered_with_the_names_there_are(tmp_path: Path, sql: str, hint: str) -> None:
    with pytest.raises(errors.Usage) as caught:
        _facts(tmp_path, sql, o=_file(tmp_path, "o.csv", "id\n1\n"))
    assert hint in caught.value.hint
