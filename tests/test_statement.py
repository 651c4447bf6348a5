"""Bank and card statements: whichever words, signs and dates a bank has, a line is read exactly or refused."""

from contextlib import suppress
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadInput
from ledger.formats.statement import COLUMNS, Entry, Row, entries, read

DAY = date(2024, 3, 15)


def lines(text: str, currency: str | None = None) -> list[Entry]:
    return read(text.encode(), currency)


def amounts(*cells: str, currency: str = "EUR") -> list[int]:
    """What these cells of a column of amounts are, in minor units."""
    return [
        entry.amount for entry in lines("date;amount\n" + "".join(f"2024-03-15;{cell}\n" for cell in cells), currency)
    ]


def dates(*cells: str) -> list[str]:
    """What these cells of a column of dates are."""
    found = lines("date;amount;currency\n" + "".join(f'"{cell}";1;EUR\n' for cell in cells))
    return [entry.date.isoformat() for entry in found]


STATEMENTS = {
    "English, comma, two columns": (
        "Date,Description,Money Out,Money In,Balance,Currency\n"
        "15 Mar 2024,SHOP 81,12.30,,1.00,EUR\n"
        "15 Mar 2024,REFUND 82,0.00,5.00,6.00,EUR\n"
    ),
    "German, after the account's own lines": (
        "Girokonto;DE00\n\nKontostand vom 31.03.2024:;1.234,56 €\n\n"
        '"Buchungsdatum";"Wertstellung";"Verwendungszweck";"Betrag (€)";"Gläubiger-ID"\n'
        '"15.03.24";"16.03.24";"SHOP 81";"-12,30";""\n'
        '"15.03.24";"16.03.24";"REFUND 82";"5,00";""\n'
    ),
    "German, two currencies": (
        "Buchung;Buchungstext;Saldo;Währung;Betrag;Währung\n"
        "15.03.2024;SHOP 81;9,00;USD;-12,30;EUR\n15.03.2024;REFUND 82;9,00;USD;5,00;EUR\n"
    ),
    "Dutch, a word for the direction": (
        '"Datum","Naam / Omschrijving","Af Bij","Bedrag (EUR)"\n'
        '"20240315","SHOP 81","Af","12,30"\n"20240315","REFUND 82","Bij","5,00"\n'
    ),
    "French": (
        "Date opération;Libellé;Débit;Crédit;Devise\n15/03/2024;SHOP 81;-12,30;;EUR\n15/03/2024;REFUND 82;;5,00;EUR\n"
    ),
    "Spanish": (
        "Fecha contable\tConcepto\tImporte\tDivisa\n15/03/2024\tSHOP 81\t-12,30\tEUR\n15/03/2024\tREFUND 82\t5\tEUR\n"
    ),
    "Polish": "Data operacji;Tytuł;Kwota;Waluta\n2024-03-15;SHOP 81;-12,30;EUR\n2024-03-15;REFUND 82;5,00;EUR\n",
    "Russian": (
        "Дата операции;Сумма операции;Валюта операции;Сумма платежа;Валюта платежа;Описание\n"
        "15.03.2024 10:11:12;-14,00;USD;-12,30;EUR;SHOP 81\n15.03.2024 10:11:12;6,00;USD;5,00;EUR;REFUND 82\n"
    ),
    "the currency beside the amount": (
        "Posting Date,Details,Amount\n03/15/2024,SHOP 81,EUR -12.30\n03/15/2024,REFUND 82,€5.00\n"
    ),
}


@pytest.mark.parametrize("text", STATEMENTS.values(), ids=STATEMENTS)
@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_statement_is_read_in_the_words_of_its_bank(text: str, code: str, end: str) -> None:
    found = read(text.replace("\n", end).encode(code))
    assert [entry[1:] for entry in found] == [(DAY, -1230, "EUR", "SHOP 81"), (DAY, 500, "EUR", "REFUND 82")]


def test_a_statement_that_is_no_utf_8_is_of_a_western_bank() -> None:
    [entry] = read("Buchungstag;Empfänger;Betrag;Währung\n15.03.2024;Müller;-1,00;EUR\n".encode("cp1252"))
    assert entry == Entry(2, DAY, -100, "EUR", "Müller")


def test_a_line_bears_its_number_in_the_file_and_all_its_texts() -> None:
    [entry] = lines('Bank\n\ndate,text,amount,reference,currency\n2024-03-15,"two\nlines",1.00,81,EUR\n')
    assert entry == Entry(4, DAY, 100, "EUR", "two lines 81")


@pytest.mark.parametrize("column", ["Status", "State"])
def test_a_line_that_moved_no_money_yet_is_passed_over(column: str) -> None:
    words = ["COMPLETED", "PENDING", "Declined", "REVERTED", "booked", ""]
    rows = "".join(f"2024-03-15;SHOP {number};1.00;EUR;{word}\n" for number, word in enumerate(words))
    found = lines(f"date;text;amount;currency;{column}\n{rows}")
    assert [entry.text for entry in found] == ["SHOP 0", "SHOP 4", "SHOP 5"]


def test_a_line_that_moves_nothing_is_none() -> None:
    text = "date;text;amount;currency\n2024-03-15;balance;;EUR\n2024-03-15;card check;0,00;EUR\n;;;\ntotal;;;\n"
    assert lines(text) == []


@pytest.mark.parametrize("name", COLUMNS["text"])
def test_every_name_of_a_column_is_spelled_as_it_is_looked_for(name: str) -> None:
    [entry] = lines(f"date;amount;currency;{name.upper()}\n2024-03-15;1;EUR;words\n")
    assert entry.text == "words"


# Amounts.


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("12,30", 1230),
        ("12.30", 1230),
        ("+12.3", 1230),
        ("−12.30", -1230),
        ("12,30-", -1230),
        ("(12.30)", -1230),
        ("12.30 DR", -1230),
        ("12.30CR", 1230),
        ("1.234,56", 123456),
        ("1,234.56", 123456),
        ("1 234,56", 123456),
        ("1'234.56", 123456),
        ("1,00,000.00", 10000000),
        ("1.234.567", 123456700),
        ("12.3000", 1230),
        ("€ 12,30", 1230),
        ("12,30 EUR", 1230),
        (".5", 50),
        ("7", 700),
    ],
)
def test_an_amount_is_read_as_it_is_printed(cell: str, minor: int) -> None:
    assert amounts(cell) == [minor]


def test_the_column_tells_what_one_amount_does_not() -> None:
    assert amounts("1.234", "5,67") == [123400, 567]
    assert amounts("1,234", "5.67") == [123400, 567]
    assert amounts("1,234", currency="JPY") == [1234]
    assert amounts("1.234", "5.6", currency="KWD") == [1234, 5600]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1,234"], "may be thousands or decimals"),
        (["1.234"], "may be thousands or decimals"),
        (["12,30", "12.30"], "decimals after"),
        (["12.345", "1.2"], "more decimals"),
        (["1.2.3,45"], "no amount"),
        (["1.234,56,78"], "no amount"),
        (["--5"], "no amount"),
        (["-5 DR"], "no amount"),
        (["(5"], "no amount"),
        (["five"], "no amount"),
        (["5 XYZ"], "no currency"),
        (["100000000000000"], "10^14"),
        (["9" * 5000], "10^14"),
    ],
)
def test_an_amount_that_could_be_two_or_none_is_refused(cells: list[str], why: str) -> None:
    with pytest.raises(BadInput) as refused:
        amounts(*cells)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("date;debit;credit;currency\n2024-03-15;1,00;2,00;EUR\n", "both a debit"),
        ("date;debit;credit;currency\n2024-03-15;;-2,00;EUR\n", "another sign"),
        ("date;amount;soll/haben;currency\n2024-03-15;2,00;X;EUR\n", "which way the money went"),
        ("date;amount;soll/haben;currency\n2024-03-15;-2,00;H;EUR\n", "another sign"),
        ("date;amount;currency\n2024-03-15;2,00 USD;EUR\n", "two currencies"),
        ("date;amount\n2024-03-15;$ 2,00\n", "does not say its currency"),
    ],
)
def test_a_line_that_contradicts_itself_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadInput) as refused:
        lines(text)
    assert "line 2" in refused.value.what
    assert why in str(refused.value)


def test_a_currency_is_said_where_the_statement_names_none() -> None:
    assert amounts("-2,00", "1,00 USD") == [-200, 100]
    assert [entry.currency for entry in lines("date;amount\n2024-03-15;2,00\n2024-03-15;1,00 USD\n", "EUR")] == [
        "EUR",
        "USD",
    ]


# Dates.


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["2024-03-05"], ["2024-03-05"]),
        (["2024-03-05T23:59:59Z", "2024/03/05 10:00", "20240305"], ["2024-03-05"] * 3),
        (["05.03.2024", "5.3.24"], ["2024-03-05"] * 2),
        (["05/03/2024", "13/03/2024"], ["2024-03-05", "2024-03-13"]),
        (["03/05/2024", "03/13/2024"], ["2024-03-05", "2024-03-13"]),
        (["05-03-2024", "31-01-2024 10:00"], ["2024-03-05", "2024-01-31"]),
        (["03/13/2024", "05.03.2024"], ["2024-03-13", "2024-03-05"]),
        (["03/03/2024"], ["2024-03-03"]),
        (["5 Mar 2024", "Mar 5, 2024", "05-March-2024"], ["2024-03-05"] * 3),
    ],
)
def test_a_date_is_read_as_the_whole_column_tells(cells: list[str], found: list[str]) -> None:
    assert dates(*cells) == found


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["05/03/2024"], "no date of the column tells which"),
        (["13/03/2024", "03/13/2024"], "some the month"),
        (["30.02.2024"], "no date"),
        (["soon"], "no date"),
        ([""], "no date"),
        (["0099-01-01"], "no year"),
    ],
)
def test_a_date_that_could_be_two_or_none_is_refused(cells: list[str], why: str) -> None:
    with pytest.raises(BadInput) as refused:
        dates(*cells)
    assert why in str(refused.value)


# What is no statement.


def test_lines_before_a_header_that_comes_again_are_not_passed_over() -> None:
    with pytest.raises(BadInput, match="line 3"):
        lines("date;amount;currency\n2024-03-15;1;EUR\ndate;amount;currency\n2024-03-16;1;EUR\n")


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"a,b\n1,2\n", b'{"date": 1}', b"date;text\n2024-03-15;x\n", b"\0\xff"]
)
def test_what_has_no_date_and_amount_is_no_statement(content: bytes) -> None:
    with pytest.raises(BadInput, match="no line names a date and an amount"):
        read(content)


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="line 2 cannot be read"):
        lines(f"date;amount;currency;text\n2024-03-15;1;EUR;{'x' * 140_000}\n")
    monkeypatch.setattr("ledger.formats.statement.MAX_BYTES", 10)
    with pytest.raises(BadInput) as refused:
        lines("date;amount;currency\n2024-03-15;1;EUR\n")
    assert refused.value.hint == "split it by months"


CELLS = st.sampled_from(
    ["date", "amount", "debit", "credit", "currency", "text", "2024-03-15", "05/03/2024", "1,234", "-1.5"]
)


@settings(max_examples=40)
@given(
    st.binary()
    | st.lists(st.lists(CELLS | st.text(max_size=5))).map(lambda rows: "\n".join(map(";".join, rows)).encode())
)
def test_whatever_the_bytes_are_they_are_read_or_refused(content: bytes) -> None:
    with suppress(BadInput):
        assert all(entry.amount for entry in read(content, "EUR"))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.dates(date(1970, 1, 1), date(2999, 1, 1)), st.integers(-(10**9), 10**9).filter(bool))))
def test_what_is_written_is_what_is_read(moved: list[tuple[date, int]]) -> None:
    rows = [Row(at, day.isoformat(), f"{minor / 100:.2f}", 0, "EUR", "") for at, (day, minor) in enumerate(moved, 1)]
    assert [(entry.date, entry.amount) for entry in entries(rows)] == moved
