"""The data request: workbooks of every shape, what they tell, and what is done to a reader by files that mean harm."""

import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.events import Closed, Placed
from ledger.formats import sheets
from ledger.formats.data_request import DATA_REQUEST, END_REASONS, TABLES, closing
from ledger.formats.foreign import Asked
from ledger.formats.local_time import moment
from tests import scenario
from tests.telling import FORMATS, check_golden, told
from tests.workbooks import PARTS, SHEET, STRINGS, packed, workbook

FOLDER = FORMATS / "data_request"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def _fixture(name: str) -> bytes:
    return workbook(json.loads((FOLDER / f"{name}.json").read_text("utf-8"))["sheets"])


def _read(content: bytes, currency: str | None = "USD") -> str:
    return told(DATA_REQUEST, content, currency=currency)


@pytest.mark.parametrize("name", NAMES)
def test_a_workbook_tells_what_stands_beside_it(name: str) -> None:
    content = _fixture(name)
    assert DATA_REQUEST.sniff(content[: 1 << 18])
    check_golden(FOLDER / f"{name}.facts.jsonl", _read(content))


def test_an_amount_without_decimals_is_whole_units() -> None:
    assert '"amount":"1250","currency":"JPY"' in _read(_fixture("other_layout"), "JPY")


def test_without_a_currency_the_file_is_refused_and_the_option_named() -> None:
    with pytest.raises(BadInput) as refusal:
        _read(_fixture("cells"), None)
    assert "--currency USD" in refusal.value.hint


@pytest.mark.parametrize("word", [*END_REASONS, "a_word_of_tomorrow"])
@pytest.mark.parametrize("paid", [True, False])
def test_every_end_reason_closes_a_paid_order_and_most_an_unpaid_one(word: str, paid: bool) -> None:
    ended = moment("2024-04-01 00:00:00")
    start = moment("2024-03-01 00:00:00").at
    facts = [scenario.placed(at=start), *([scenario.paid(at=start)] if paid else [])]
    fact = closing(scenario.ORDER, ended, word)
    answer = scenario.given(*facts).when(fact)
    expired = isinstance(fact, Closed) and fact.reason == "protection-expired"
    if not paid and (expired or fact.__struct_config__.tag == "dispute-resolved"):
        answer.refused("L")  # nothing was protected or disputed: the row contradicts itself
    else:
        assert answer.order.base == "closed"
    assert word in (fact.note or "")
    if word not in END_REASONS:
        assert isinstance(fact, Closed)
        assert fact.reason == "unknown"


def test_no_row_is_left_out_of_the_tables_for_the_docs() -> None:
    assert [word for word, _ in TABLES["Words of end_reason"]] == [word or "(empty)" for word in END_REASONS]


def test_parts_of_a_parent_that_is_known_as_one_order_are_told_as_that_order() -> None:
    whole = Placed(
        order_id="8270000000000011",
        occurred_at=moment("2024-03-01").at,
        seller="1101",
        amount="13.50",
        currency="USD",
    )
    lines = told(DATA_REQUEST, _fixture("parents"), currency="USD", log=[whole]).splitlines()
    placed, paid, problem, *_ = (json.loads(line) for line in lines)
    assert (placed["fact"]["order_id"], placed["fact"]["amount"]) == ("8270000000000011", "13.50")
    assert "parent" not in placed["fact"]
    assert paid["fact"]["amount"] == "13.50"  # both parts were paid at once
    assert "did not all end alike" in problem["problem"]["what"]


def test_the_only_part_of_a_parent_that_is_known_is_that_order() -> None:
    whole = Placed(
        order_id="8270000000000411", occurred_at=moment("2024-03-01").at, seller="1", amount="20", currency="USD"
    )
    lines = told(DATA_REQUEST, _fixture("parents"), currency="USD", log=[whole]).splitlines()
    ids = {json.loads(line)["fact"]["order_id"] for line in lines}
    assert "8270000000000411" in ids
    assert "8270000000000511" not in ids


GOOD = packed({})


def _part(name: str) -> bytes:
    return PARTS[name].encode()


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


def _with_entities(name: str) -> bytes:
    return ENTITIES + _part(name).replace(b"<v>", b"<v>&b;").replace(b"<t>", b"<t>&b;")


HARM: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "no zip": lambda: b"PK\x03\x04 and nothing else",
    "cut": lambda: GOOD[:-100],
    "a zip of something else": lambda: packed({"[Content_Types].xml": b"<x/>"}),
    "locked or old": lambda: sheets.OLE + b"\0" * 600,
    "flipped": lambda: GOOD[:60] + bytes([GOOD[60] ^ 255]) + GOOD[61:],
    "no XML": lambda: packed({SHEET: b"hello"}),
    "XML cut": lambda: packed({SHEET: _part(SHEET)[:-40]}),
    "a string that is not there": lambda: packed({SHEET: _part(SHEET).replace(b"<v>0</v>", b"<v>77777</v>")}),
    "entities in the sheet": lambda: packed({SHEET: _with_entities(SHEET)}),
    "entities in the strings": lambda: packed({STRINGS: _with_entities(STRINGS)}),
    "a file named in the sheet": lambda: packed(
        {SHEET: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + _part(SHEET).replace(b"<v>1", b"<v>&a;1")}
    ),
    "another alphabet": lambda: packed({SHEET: b'<?xml version="1.0" encoding="cp037"?>' + _part(SHEET)}),
    "a bomb of bytes": lambda: packed({"xl/media/a.png": b"\0" * (sheets.MAX_INFLATED_BYTES + 1)}),
    "a bomb of cells": lambda: packed({SHEET: b"<worksheet>" + b"<c/>" * (sheets.MAX_MARKS + 1) + b"</worksheet>"}),
    "too many parts": lambda: packed({f"xl/{number}": b"" for number in range(sheets.MAX_PARTS + 1)}),
    "rows below the last": lambda: packed({SHEET: _part(SHEET).replace(b'<row r="2"', b'<row r="9999999999"', 1)}),
}


HEADS = ["order_id", "parent_orderid", "gmt_create_order_time", "payable_amt", "is_success_pay", "gmt_pay_order_time"]
PARTS_OF_ONE = [f"82700000000{number}11" for number in (300, 301)]


def _known_as_one(*amounts: int | None) -> list[dict[str, Any]]:
    """Return what two parts tell, of such amounts and with no end, where the ledger has their parent as one order."""
    parent, at = "8270000000029911", "2024-03-01 10:00:00"
    rows = [
        [part, parent, at, amount, "true" if amount else "", at if amount else None]
        for part, amount in zip(PARTS_OF_ONE, amounts, strict=True)
    ]
    whole = scenario.placed(order_id=parent, at=moment(at).at)
    content = workbook({"Order Information": [HEADS, *rows]})
    return [json.loads(line) for line in told(DATA_REQUEST, content, currency="USD", log=[whole]).splitlines()]


def test_parts_that_have_not_ended_do_not_end_the_order_that_they_are() -> None:
    assert [line["fact"]["type"] for line in _known_as_one(1200, 800)] == ["placed", "paid"]


def test_an_order_of_which_one_part_cannot_be_told_is_not_told_in_part() -> None:
    lines = _known_as_one(1200, None)
    assert lines
    assert all("problem" in line for line in lines)


@pytest.mark.parametrize("harm", HARM)
def test_a_file_that_is_damaged_or_means_harm_is_bad_input(harm: str) -> None:
    with pytest.raises(BadInput) as refusal:
        _read(HARM[harm]())
    assert refusal.value.hint
    assert len(str(refusal.value).splitlines()) <= 3


def test_a_workbook_with_a_table_of_texts_is_read() -> None:
    placed, paid = (json.loads(line) for line in _read(GOOD).splitlines())
    assert (placed["record"], placed["fact"]["amount"], paid["fact"]["amount"]) == (2, "19.99", "19.99")


def test_an_order_id_that_a_spreadsheet_has_rounded_is_refused() -> None:
    cell = b'<c r="A2"><v>8.2500000000000112E+15</v></c>'
    sheet = _part(SHEET).replace(b'<c r="A2" t="s"><v>5</v></c>', cell)
    assert "lost its last digits" in _read(packed({SHEET: sheet}))


def test_whole_numbers_may_be_written_with_decimals() -> None:
    sheet = _part(SHEET).replace(b"<v>1999</v>", b"<v>1999.0</v>")
    sheet = sheet.replace(b'<c r="A2" t="s"><v>5</v></c>', b'<c r="A2"><v>8.25E+9</v></c>')
    placed, _ = (json.loads(line)["fact"] for line in _read(packed({SHEET: sheet})).splitlines())
    assert (placed["order_id"], placed["amount"]) == ("8250000000", "19.99")


def test_a_zip_that_lies_about_its_size_is_bad_input() -> None:
    bomb = bytearray(packed({"xl/media/a.png": b"\0" * 5_000_000}))
    with zipfile.ZipFile(io.BytesIO(bytes(bomb))) as archive:
        size = archive.getinfo("xl/media/a.png").file_size.to_bytes(4, "little")
    with pytest.raises(BadInput):
        _read(bytes(bomb).replace(size, (10).to_bytes(4, "little")))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_would_be_inflated_whole_is_bad_input(method: int) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        archive.writestr(SHEET, bytes(1 << 20))
    with pytest.raises(BadInput, match="packed in a way that no spreadsheet program uses"):
        _read(content.getvalue())


def test_what_is_no_zip_is_no_workbook() -> None:
    with pytest.raises(BadInput) as refusal:
        _read(b"PK\x03\x04 and no more")
    assert (refusal.value.what, "Error" in refusal.value.why) == ("it is no workbook", False)


def test_an_encrypted_part_is_bad_input() -> None:
    place = GOOD.index(b"PK\x01\x02")
    locked = GOOD[: place + 8] + bytes([GOOD[place + 8] | 1]) + GOOD[place + 9 :]
    with pytest.raises(BadInput, match="encrypted"):
        _read(locked)


def test_a_sheet_that_claims_to_be_endless_is_read_as_far_as_it_goes() -> None:
    sheet = re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1:XFD1048576"', _part(SHEET))
    assert len(_read(packed({SHEET: sheet})).splitlines()) == 2


def test_without_the_reader_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(BadInput) as refusal:
        _read(GOOD)
    assert "orderledger[xlsx]" in refusal.value.hint


def test_a_workbook_without_orders_says_which_sheets_it_has() -> None:
    with pytest.raises(BadInput, match="Sums, Notes"):
        _read(workbook({"Sums": [["a"], [1]], "Notes": []}))


_ANY_CELL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=12
    ),
    st.datetimes(min_value=datetime(1901, 1, 1)).map(lambda at: at.replace(microsecond=0)),
    st.sampled_from(["8123456789012345", "8123456789012399", "2024-03-01 10:00:00", "true", "0", 1999, "trade_close"]),
)


@given(st.lists(st.lists(_ANY_CELL, max_size=13), max_size=3))
@settings(max_examples=25, deadline=None)
def test_any_cells_are_facts_or_problems(rows: list[list[Any]]) -> None:
    names = [name for name, _ in TABLES["Columns"]]
    content = workbook({"Order Information": [names, *rows]})
    list(DATA_REQUEST.read(content, Asked("USD", list)))


@given(st.binary(max_size=300), st.integers(0, len(GOOD)), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_a_workbook_or_bad_input(noise: bytes, place: int, instead: bool) -> None:
    content = GOOD[:place] + noise + GOOD[place + (len(noise) if instead else 0) :]
    with suppress(BadInput):
        list(DATA_REQUEST.read(content, Asked("USD", list)))
