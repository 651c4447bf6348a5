"""A table in CSV is read to the letter: what a guess would take for a comment, a header or a quote is data."""

import csv
import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

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
