"""The browser extension's exports: CSV and JSON tell the same, and only what they can know."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.formats.browser_extension import BROWSER_EXTENSION, COLUMNS, FIELDS
from ledger.formats.foreign import Asked
from tests import scenario as s
from tests.telling import FORMATS, check_golden, told

FOLDER = FORMATS / "browser_extension"
FILES = sorted(path for path in FOLDER.iterdir() if path.suffix != ".jsonl")
HEADER = ",".join(COLUMNS)
PARENT, FIRST, SECOND = "8350000000000211", "8350000000000311", "8350000000000411"


def _read(content: str | bytes, **asked: Any) -> list[dict[str, Any]]:
    text = content.encode() if isinstance(content, str) else content
    return [json.loads(line) for line in told(BROWSER_EXTENSION, text, **asked).splitlines()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_export_tells_what_stands_beside_it(path: Path) -> None:
    content = path.read_bytes()
    assert BROWSER_EXTENSION.sniff(content) or path.stem == "empty"
    check_golden(path.with_suffix(".facts.jsonl"), told(BROWSER_EXTENSION, content))


def test_a_row_without_a_currency_takes_the_one_that_was_asked_for() -> None:
    row = 'Order ID,Order Date,Price,Store\n8350000000000011,2024-03-01,"5,00",A\n'
    assert "--currency" in _read(row)[0]["problem"]["hint"]
    assert _read(row, currency="EUR")[0]["fact"]["amount"] == "5.00"


def test_the_csv_and_the_json_of_the_same_orders_tell_the_same_but_for_the_lines() -> None:
    rows = [row for row in json.loads((FOLDER / "orders.json").read_text()) if row.get("orderDateIso")]
    table = [HEADER] + [
        ",".join('"' + str(row.get(inside) or "").replace('"', '""') + '"' for inside in COLUMNS.values())
        for row in rows
    ]
    ours = [line["fact"] for line in _read("\n".join(table))]
    theirs = [line["fact"] for line in _read(msgspec.json.encode(rows))]
    assert len(ours) == len(theirs) > 3
    for our, their in zip(ours, theirs, strict=True):
        for fact in (our, their):
            fact["note"] = fact["note"].replace("; the page showed Mar 2, 2024", "")
            fact["items"] = [{k: v for k, v in item.items() if k != "line_id"} for item in fact["items"]]
        assert our == their


def _parts(*ids: str) -> list[Any]:
    return [s.placed(order_id=one, parent=PARENT, at=s.START) for one in ids]


def test_lines_are_told_as_the_parts_that_the_ledger_has_of_their_order() -> None:
    found = _read((FOLDER / "orders.json").read_bytes(), log=_parts(FIRST, SECOND))
    amounts = {line["fact"]["order_id"]: (line["fact"]["amount"], line["fact"].get("parent")) for line in found}
    assert amounts[FIRST] == ("10.00", PARENT)
    assert amounts[SECOND] == ("7.10", PARENT)
    assert PARENT not in amounts


def test_a_line_that_is_none_of_the_parts_which_the_ledger_has_says_so() -> None:
    found = _read((FOLDER / "orders.json").read_bytes(), log=_parts(FIRST, "8350000000000999"))
    (problem,) = (line["problem"] for line in found if "problem" in line)
    assert f"{FIRST}, 8350000000000999" in problem["what"]
    assert SECOND not in {line["fact"]["order_id"] for line in found if "fact" in line}


def test_an_order_of_which_one_part_is_known_is_that_part() -> None:
    found = _read((FOLDER / "orders.json").read_bytes(), log=_parts(FIRST))
    amounts = {line["fact"]["order_id"]: line["fact"]["amount"] for line in found}
    assert amounts[FIRST] == "17.10"


def test_rows_that_do_not_say_which_part_they_are_say_so() -> None:
    row = f"{HEADER}\n{PARENT},2024-03-01,Cup,1,US $5.00,,,,,,USD,Completed,\n"
    (line,) = _read(row, log=_parts(FIRST, SECOND))
    assert f"{FIRST}, {SECOND}" in line["problem"]["what"]
    assert "JSON" in line["problem"]["hint"]


BAD = {
    "not UTF-8": (HEADER + "\n").encode() + b"8310000000000011,\xff\n",
    "another header": b"a,b,c\n1,2,3\n",
    "empty": b"",
    "a quote that is not closed": f'{HEADER}\n8310000000000011,"'.encode() + b"x" * 140_000,
    "cut JSON": b'[{"orderId": "8310000000000011"',
    "an object": b'{"orderLineId": 1, "priceInfo": ""}',
    "half a character": b'[{"orderId": "\\ud800"}]',
    "deep": b"[" * 100_000,
    "a number that no computer has": b"[1e999]",
}


@pytest.mark.parametrize("bad", BAD)
def test_what_is_no_export_is_bad_input(bad: str) -> None:
    with pytest.raises(BadInput) as refusal:
        _read(BAD[bad])
    assert refusal.value.hint


def test_the_docs_name_every_column_that_is_read() -> None:
    named = " ".join(name for name, _ in FIELDS)
    assert all(column in named for column in COLUMNS)


_VALUE = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
    | st.sampled_from(["8310000000000011", "2024-03-01", "US $5.00", "USD", 1, "1,234"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
_ROW = st.fixed_dictionaries({}, optional=dict.fromkeys([*COLUMNS.values(), "orderDate", "orderLineId"], _VALUE))


@given(st.lists(_ROW | _VALUE, max_size=3))
@settings(max_examples=40, deadline=None)
def test_any_json_is_facts_or_problems_or_bad_input(rows: list[Any]) -> None:
    _never_raises(json.dumps(rows).encode())


@given(st.lists(st.lists(st.text(max_size=8) | st.sampled_from(["8310000000000011", "US $5.00", "USD"]), max_size=14)))
@settings(max_examples=40, deadline=None)
def test_any_rows_are_facts_or_problems_or_bad_input(rows: list[list[str]]) -> None:
    _never_raises("\n".join([HEADER, *(",".join(row) for row in rows)]).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=80), st.sampled_from([b"", b"[", HEADER.encode(), HEADER.encode() + b"\n"]))
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_facts_or_problems_or_bad_input(noise: bytes, start: bytes) -> None:
    BROWSER_EXTENSION.sniff(start + noise)
    _never_raises(start + noise)


def _never_raises(content: bytes) -> None:
    try:
        records = list(BROWSER_EXTENSION.read(content, Asked("USD", list)))
    except BadInput:
        return
    for record in records:
        for fact in record.facts:
            assert msgspec.json.encode(fact)
