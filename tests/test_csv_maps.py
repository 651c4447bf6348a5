"""A table in CSV is read to the letter: what a guess would take for a comment, a header or a quote is data."""

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import errors
from queries.mapping import fact_lines

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r", exclude_categories=["Cs"]), max_size=12)


def mapped(folder: Path, name: str) -> list[dict[str, str]]:
    """Give the rows that a map of `o` makes of a file."""
    map_path = folder / "map.sql"
    map_path.write_text("SELECT order_id, title, note FROM o")
    return [json.loads(line) for line in fact_lines(map_path, {"o": folder / name})]


@given(
    rows=st.lists(st.tuples(CELL.filter(str.strip), CELL, CELL), min_size=1, max_size=8),
    form=st.sampled_from([("o.csv", ","), ("o.csv", ";"), ("o.tsv", "\t")]),
)
def test_every_row_and_every_character_arrives(rows: list[tuple[str, str, str]], form: tuple[str, str]) -> None:

    name, delimiter = form
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
            writer.writerow(["order_id", "title", "note"])
            writer.writerows(rows)
        names = ("order_id", "title", "note")
        expected = [{key: cell for key, cell in zip(names, row, strict=True) if cell} for row in rows]
        assert mapped(folder, name) == expected


def test_a_hash_begins_no_comment_and_a_single_quote_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text('order_id,title,note\n#1,\'a\',"say ""b"""\n#2,,x\n')
    assert mapped(tmp_path, "o.csv") == [
        {"order_id": "#1", "title": "'a'", "note": 'say "b"'},
        {"order_id": "#2", "note": "x"},
    ]


def test_quotes_after_a_long_plain_stretch_are_quotes(tmp_path: Path) -> None:
    plain = "".join(f"{number},lamp,x\n" for number in range(30_000))
    (tmp_path / "o.csv").write_text(f'order_id,title,note\n{plain}last,"Lamp ""House""",x\n')
    assert mapped(tmp_path, "o.csv")[-1]["title"] == 'Lamp "House"'


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (b"1,a,x\n2,b\n3,c,z\n", r"o\.csv, line 3: 2 fields, not 3"),
        (b"1,a,x\n2\n", r"line 3: 1 field, not 3"),
        (b"1,a,x\n2,b,y,z\n", r"line 3: 4 fields, not 3"),
        (b'1,"a\nb",x\n2,b\n', r"line 4: 2 fields, not 3"),
        (b'1,a,x\n"2,b,y\n3,c,z\n', r"line 3: a quote is opened and not closed"),
        (b'1,a,x\n2,b,"y\n', r"line 3: a quote is opened and not closed"),
        (b'1,a,x\n2,b,"y"z\n', r"line 3: .* expected after"),
        (b"1,a,x\n2,caf\xe9,y\n", r"line 3: 0xe9 is no UTF-8"),
        (b"1,a,x\n" * 40_000 + b"2,b,\xff\n", r"line 40002: 0xff is no UTF-8"),
        (b"1,a,x\n2,b," + b"y" * 3_000_000 + b"\n", r"line 3: .*longer than 2,000,000 bytes"),
        (b"1,a,x\r\n2,b,y\n", r"(?s)stopped at .*o\.csv.*CR LF"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_by_file_line_and_cause(tmp_path: Path, rows: bytes, what: str) -> None:
    (tmp_path / "o.csv").write_bytes(b"order_id,title,note\n" + rows)
    with pytest.raises(errors.BadInput, match=what) as caught:
        mapped(tmp_path, "o.csv")
    assert len(str(caught.value).splitlines()) <= 3


def test_a_header_that_is_no_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_bytes("order_id,title,note\n1,a,x\n".encode("utf-16"))
    with pytest.raises(errors.BadInput, match=r"o\.csv, line 1: 0xff is no UTF-8"):
        mapped(tmp_path, "o.csv")


def test_a_value_that_does_not_convert_is_told_with_its_column(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("order_id,title,note\n1,5,x\n2,much,y\n")
    (tmp_path / "map.sql").write_text("SELECT CAST(title AS DECIMAL(9,2)) AS amount FROM o")
    with pytest.raises(errors.BadInput, match=r'(?s)o\.csv.*column "title".*"much"'):
        list(fact_lines(tmp_path / "map.sql", {"o": tmp_path / "o.csv"}))
