"""Printing: what rows become in every format, on terminals, in pipes and in files."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest

from commands import output, render
from commands.money import balance
from commands.output import Screen, Target
from ledger.errors import StorageFailed, Usage

AT = datetime(2024, 3, 1, 10, 0)
EVIL = "\x1b[31mred\x07 \u202eevil\u2066\x9b [bold]x[/bold]"


class Rows(NamedTuple):
    """A result made by hand."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


ORDERS = Rows(
    ["order_id", "title", "amount", "currency", "closed", "placed_at"],
    ["VARCHAR", "VARCHAR", "DECIMAL(18,4)", "VARCHAR", "BOOLEAN", "TIMESTAMP"],
    [
        ("81", 'a "red", cup', Decimal("12.3000"), "USD", True, AT),
        ("82", None, Decimal("1230.0000"), "JPY", False, AT),
        ("83", "", Decimal("1.2340"), "KWD", None, None),
    ],
)


def printed(capsys: pytest.CaptureFixture[str], target: Target, answer: Rows, **options: Any) -> str:
    """What a target prints of an answer."""
    render.result(target, answer, **options)
    return capsys.readouterr().out


def screen(width: int = 80, *, colour: bool = False, height: int = 1000) -> Target:
    """A terminal of this width."""
    return Target("table", screen=Screen(width, height, colour))


def one(kind: str, *values: Any) -> Rows:
    """A column x with these values."""
    return Rows(["x"], [kind], [(value,) for value in values])


def test_csv_has_the_decimals_of_each_rows_currency_and_quotes_what_must_be_quoted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(capsys, Target("csv"), ORDERS) == (
        "order_id,title,amount,currency,closed,placed_at\n"
        '81,"a ""red"", cup",12.30,USD,true,2024-03-01T10:00:00Z\n'
        "82,,1230,JPY,false,2024-03-01T10:00:00Z\n"
        '83,"",1.234,KWD,,\n'
    )


def test_csv_comes_back_as_it_went_out(capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["a,b", "a\tb", 'a"b', "a\nb", "a\r\nb", "a\rb", " a ", "携帯", EVIL]
    out = printed(capsys, Target("csv"), Rows(["x", "y"], ["VARCHAR"] * 2, [(text, "z") for text in texts]))
    read = list(csv.reader(io.StringIO(out, newline="")))
    assert read == [["x", "y"], *([text, "z"] for text in texts)]


def test_tsv_quotes_nothing_and_escapes_what_would_end_a_field(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[tuple[Any, ...]] = [('a, "b"', "c\td\r\ne\\f"), (None, "")]
    text = 'x\ty\na, "b"\tc\\td\\r\\ne\\\\f\n\t\n'
    answer = Rows(["x", "y"], ["VARCHAR"] * 2, rows)
    assert printed(capsys, Target("tsv"), answer) == text
    assert printed(capsys, Target("tsv", screen=Screen(80, 50, colour=False)), answer) == text


@pytest.mark.parametrize("kind", ["csv", "tsv", "md", "json", "jsonl", "table"])
def test_a_decimal_given_as_its_text_is_printed_like_the_number(capsys: pytest.CaptureFixture[str], kind: Any) -> None:
    as_text = [tuple(str(cell) if isinstance(cell, Decimal) else cell for cell in row) for row in ORDERS.rows]
    assert as_text != ORDERS.rows
    target = screen() if kind == "table" else Target(kind)
    assert printed(capsys, target, ORDERS._replace(rows=as_text)) == printed(capsys, target, ORDERS)


def test_json_has_amounts_as_text_instants_with_z_and_null(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(printed(capsys, Target("json"), ORDERS))
    assert rows[0] == {
        "order_id": "81",
        "title": 'a "red", cup',
        "amount": "12.30",
        "currency": "USD",
        "closed": True,
        "placed_at": "2024-03-01T10:00:00Z",
    }
    assert rows[2]["title"] == ""
    assert rows[2]["placed_at"] is None


def test_jsonl_has_the_same_objects_as_json_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, Target("jsonl"), ORDERS).splitlines()
    assert [json.loads(line) for line in lines] == json.loads(printed(capsys, Target("json"), ORDERS))


def test_no_rows_are_an_empty_array_in_json_and_a_head_in_csv(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, Target("json"), one("VARCHAR")) == "[]\n"
    assert printed(capsys, Target("csv"), one("VARCHAR")) == "x\n"


def test_a_name_that_comes_twice_is_numbered(capsys: pytest.CaptureFixture[str]) -> None:
    twice = Rows(["a", "a", "a_1"], ["INTEGER"] * 3, [(1, 2, 3)])
    assert json.loads(printed(capsys, Target("json"), twice)) == [{"a": 1, "a_1": 2, "a_1_1": 3}]


def test_md_makes_text_inert_and_aligns_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Rows(["n", "x"], ["BIGINT", "VARCHAR"], [(1, "a|b *c* <i>\nd")])
    assert printed(capsys, Target("md"), answer) == "| n | x |\n| ---: | --- |\n| 1 | a\\|b \\*c\\* \\<i\\><br>d |\n"


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        ("12.3000", "USD", "12.30"),
        ("1230.0000", "JPY", "1230"),
        ("1.2340", "KWD", "1.234"),
        ("-0.5000", "EUR", "-0.50"),
        ("1.2345", "USD", "1.2345"),
        ("5.0000", None, "5.00"),
        ("5.1230", None, "5.123"),
        ("5.0000", "QQQ", "5.00"),
        ("5.0000", ["JPY"], "5.00"),  # of SQL that calls a list so
        ("9" * 34 + ".1200", "USD", "9" * 34 + ".12"),
        ("300.00", "USD", "300.00"),
        ("300", "USD", "300.00"),
        ("0.0000", "EUR", "0.00"),
        ("7.000000", "EUR", "7.00"),
        ("1.0000", "CLF", "1.0000"),
    ],
)
def test_an_amount_has_its_currencys_decimals_and_never_loses_one(
    value: str, currency: object, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert render.amount(Decimal(value), currency) == text
    for others in [], [("1.0000", "KWD")], [(None, "USD")]:
        answer = Rows(["x", "currency"], ["DECIMAL(38,4)", "VARCHAR"], [*others, (value, currency)])
        assert list(csv.reader(printed(capsys, Target("csv"), answer).splitlines()))[-1][0] == text


def test_an_amount_of_the_bank_goes_by_the_banks_currency(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Rows(
        ["amount", "currency", "account_amount", "account_currency"],
        ["DECIMAL(18,4)", "VARCHAR", "DECIMAL(18,4)", "VARCHAR"],
        [(Decimal("66.6500"), "USD", Decimal("10000.0000"), "JPY")],
    )
    assert printed(capsys, Target("csv"), answer).endswith("66.65,USD,10000,JPY\n")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (AT, "2024-03-01T10:00:00Z"),
        (datetime(2024, 3, 1, 10, 0, 0, 123456), "2024-03-01T10:00:00.123456Z"),
        (datetime(2024, 3, 1, 10, tzinfo=UTC), "2024-03-01T10:00:00Z"),
        (datetime(2024, 3, 1, 10, tzinfo=timezone(timedelta(hours=2))), "2024-03-01T08:00:00Z"),
    ],
)
def test_an_instant_is_in_utc_with_z(value: datetime, text: str) -> None:
    assert render.instant(value) == text


def test_lists_and_bytes_are_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Rows(["l", "b"], ["DECIMAL(9,2)[]", "BLOB"], [([Decimal("1.50"), None], b"\x00\xff")])
    assert printed(capsys, Target("csv"), answer) == 'l,b\n"[""1.50"",null]",00ff\n'


def test_a_drawn_number_is_not_longer_than_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "0.3333\n" in printed(capsys, screen(), one("DOUBLE", 1 / 3))


@pytest.mark.parametrize(
    ("no_color", "variable", "value", "colour"),
    [
        (False, "TERM", "xterm", True),
        (True, "TERM", "xterm", False),
        (False, "NO_COLOR", "1", False),
        (False, "TERM", "dumb", False),
    ],
)
def test_a_terminal_gets_a_table_in_colour_unless_it_is_unwanted(
    monkeypatch: pytest.MonkeyPatch, *, no_color: bool, variable: str, value: str, colour: bool
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    target = output.choose(None, None, pipe="csv", no_color=no_color)
    assert target.format == "table"
    assert target.screen
    assert target.screen.colour is colour


def test_one_value_is_several_lines_of_json_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"at": AT, "text": EVIL}
    render.record(Target("json"), value)
    assert capsys.readouterr().out.count("\n") == 4
    render.record(Target("jsonl", screen=Screen(80, 50, colour=False)), value)
    out = capsys.readouterr().out
    assert json.loads(out) == {"at": "2024-03-01T10:00:00Z", "text": EVIL}
    assert out.isascii()


def test_a_pager_that_cannot_be_read_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", "less 'unclosed")
    with pytest.raises(Usage, match="PAGER"):
        render.result(screen(), ORDERS)


def test_money_that_does_not_sum_to_zero_is_said() -> None:
    columns = ["currency", "account", "balance"]
    wrong = Rows(
        columns,
        ["VARCHAR", "VARCHAR", "DECIMAL(38,4)"],
        [("USD", "buyer", Decimal("-5")), ("USD", "escrow", Decimal("4"))],
    )
    assert balance(wrong) == "USD does not sum to zero: -1.00"
    assert balance(Rows(columns, [], [])) == ""


def test_the_last_instant_of_the_calendar_can_be_printed() -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    assert render.short_instant(last, timezone(timedelta(hours=3))) == "9999-12-31 23:59"


def test_a_number_that_json_does_not_know_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, Target("json"), one("DOUBLE", float("nan"), float("inf"), 0.5))
    assert [row["x"] for row in json.loads(out)] == [None, None, 0.5]


def test_pipes_get_exact_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, Target("csv"), one("VARCHAR", EVIL)) == f"x\n{EVIL}\n"
    assert json.loads(printed(capsys, Target("json"), one("VARCHAR", EVIL)))[0]["x"] == EVIL


@pytest.mark.parametrize("kind", ["csv", "tsv", "md", "json", "jsonl", "table"])
def test_nothing_of_the_log_steers_a_terminal(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    unseen = [*range(0x20), *range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A)]
    text = "".join(map(chr, unseen))
    out = printed(capsys, Target(kind, screen=Screen(200, 1000, False)), one("VARCHAR", text))
    assert {character for character in out if ord(character) in unseen} == {"\n"}


def test_json_on_a_terminal_is_still_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, Target("json", screen=Screen(200, 1000, False)), one("VARCHAR", EVIL))
    assert json.loads(out) == [{"x": EVIL}]
    assert "\\u202e" in out


def test_text_of_the_log_is_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, screen(colour=True), one("VARCHAR", "[bold]x[/bold] :smile: http://a.b"))
    assert "[bold]x[/bold] :smile: http://a.b" in out


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_drawn_table_keeps_to_the_width_and_never_folds_an_amount(
    capsys: pytest.CaptureFixture[str], width: int
) -> None:
    wide = Rows(
        ["order_id", "title", "to_buyer", "currency", "closed_at"],
        ["VARCHAR", "VARCHAR", "DECIMAL(18,4)", "VARCHAR", "TIMESTAMP"],
        [("8123456789012345", "携帯電話のケース a very long title " * 3, Decimal("12345678.9000"), "USD", AT)] * 3,
    )
    out = printed(capsys, screen(width), wide)
    from rich.cells import cell_len

    assert max(map(cell_len, out.splitlines())) <= width
    assert out.count("12345678.90") == 3
    assert out.count("8123456789012345") == 3


def test_a_narrow_table_leaves_optional_columns_out_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    wide = Rows(["a", "b"], ["DATE", "DATE"], [("x" * 30, "y" * 30)])
    out = printed(capsys, screen(50), wide, optional=["b"])
    assert "y" * 30 not in out
    assert "a wider terminal also shows b" in out
    assert "y" * 30 in printed(capsys, screen(80), wide, optional=["b"])


def test_too_many_columns_become_one_block_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    many = Rows([f"column_{at}" for at in range(20)], ["VARCHAR"] * 20, [tuple("value " * 4 for _ in range(20))])
    lines = printed(capsys, screen(80), many).splitlines()
    assert lines[0].split()[:3] == ["column", "0", "value"]
    assert len([line for line in lines if line.startswith("column ")]) == 20


def test_a_drawn_head_has_words_and_breaks_between_them_where_room_is_short(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Rows(["order_id", "money_went_to", "count(_)"], ["VARCHAR"] * 3, [("8" * 7, "buyer", "x")])
    assert printed(capsys, screen(), answer).splitlines()[0] == "order id  money to  count(_)"
    short = Rows(["to_seller", "to_buyer"], ["DECIMAL(9,2)"] * 2, [(Decimal("1.00"), Decimal("2.00"))])
    assert [line.split() for line in printed(capsys, screen(15), short).splitlines()[:2]] == [
        ["to", "to"],
        ["seller", "buyer"],
    ]


def test_times_of_a_table_are_local_and_the_foot_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    target = Target("table", screen=Screen(80, 1000, False), tz=timezone(timedelta(hours=3), "MSK"))
    out = printed(capsys, target, one("TIMESTAMP", AT))
    assert "2024-03-01 13:00" in out
    assert "1 row · times in MSK" in out


def test_colour_says_who_has_the_money_and_goes_away_when_unwanted(capsys: pytest.CaptureFixture[str]) -> None:
    answer = Rows(["money_went_to"], ["VARCHAR"], [("buyer",), ("seller",)])
    assert "\x1b[32mbuyer" in printed(capsys, screen(colour=True), answer)
    assert "\x1b" not in printed(capsys, screen(colour=False), answer)


def test_a_long_table_repeats_its_head_and_counts_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, screen(), one("BIGINT", *range(2500)))
    assert out.count("x\n") == 3
    assert "2,500 rows" in out


def test_a_live_table_has_one_head_and_keeps_its_widths(capsys: pytest.CaptureFixture[str]) -> None:
    batches = [[("a", "b" * 5)], [("c" * 9, "d")], []]
    render.table(screen(), ["x", "y"], ["VARCHAR"] * 2, batches, live=True)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["x  y", "────────", "a  bbbbb", *["c  d", *["c"] * 8], "2 rows"]


def test_parquet_keeps_types_and_every_digit(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    big = 2**100
    answer = Rows(
        ["amount", "at", 'odd "name"', "n", "l", "missing"],
        ["DECIMAL(38,4)", "TIMESTAMP", "VARCHAR", "HUGEINT", "VARCHAR[]", "VARCHAR"],
        [(Decimal("12345678901234567890.1234"), AT, "", big, ["a", "b"], None)],
    )
    render.result(output.choose(None, file, pipe="csv"), answer)
    relation = duckdb.read_parquet(str(file))
    assert relation.columns == answer.columns
    assert duckdb.execute("SELECT * FROM read_parquet($f)", {"f": str(file)}).fetchall() == [
        (Decimal("12345678901234567890.1234"), AT, "", Decimal(big), ["a", "b"], None)
    ]


def test_the_ending_of_a_file_names_its_format(tmp_path: Path) -> None:
    assert output.choose(None, tmp_path / "a.JSONL", pipe="csv").format == "jsonl"
    assert output.choose("md", tmp_path / "a.jsonl", pipe="csv").format == "md"
    assert output.choose(None, tmp_path / "a", pipe="csv").format == "csv"
    with pytest.raises(Usage, match=r"\.xlsx names no format"):
        output.choose(None, tmp_path / "a.xlsx", pipe="csv")


def test_parquet_needs_a_file() -> None:
    with pytest.raises(Usage, match="to a file only"):
        output.choose("parquet", None, pipe="csv")
    with pytest.raises(Usage, match="to a file only"):
        output.choose("parquet", Path("/dev/null"), pipe="csv")


def test_a_command_prints_only_what_it_can() -> None:
    with pytest.raises(Usage, match="'csv'"):
        output.choose("csv", None, pipe="table", only="table json")


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("before")

    def broken() -> Any:
        yield [("1",)]
        raise Usage("in the middle")

    with pytest.raises(Usage):
        render.table(output.choose(None, file, pipe="csv"), ["x"], ["VARCHAR"], broken())
    assert file.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.csv"]


def test_a_file_that_cannot_be_written_is_a_storage_failure(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="cannot write"):
        render.result(output.choose(None, tmp_path / "no" / "a.csv", pipe="csv"), ORDERS)
    with pytest.raises(StorageFailed, match="cannot write"):
        render.result(output.choose(None, tmp_path / "no" / "a.parquet", pipe="csv"), ORDERS)


def test_a_device_is_written_and_not_replaced() -> None:
    render.result(output.choose("csv", Path("/dev/null"), pipe="csv"), ORDERS)
    assert Path("/dev/null").is_char_device()
    with pytest.raises(StorageFailed, match="No space left"):
        render.result(output.choose("csv", Path("/dev/full"), pipe="csv"), ORDERS)


def test_long_tables_go_through_the_pager_and_short_ones_do_not(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "sed 's/^/paged /'")
    render.result(screen(height=10), one("BIGINT", *range(30)))
    assert "paged 29" in " ".join(capfd.readouterr().out.split())
    render.result(screen(height=10), one("BIGINT", 1))
    assert "paged" not in capfd.readouterr().out


def test_a_pager_that_is_not_there_is_done_without(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "no-such-pager; echo shell")
    render.result(screen(height=5), one("BIGINT", *range(30)))
    out = capfd.readouterr().out
    assert "29" in out
    assert "shell" not in out


def test_a_reader_that_leaves_the_pager_early_is_no_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", "head -1")
    with pytest.raises(SystemExit) as left:
        render.result(screen(height=5), one("VARCHAR", *("x" * 70 for _ in range(50_000))))
    assert left.value.code == 0
