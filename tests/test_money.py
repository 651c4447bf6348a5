"""Amounts: read as minor units of their currency, refused when they cannot be, written with its decimals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import money
from ledger.errors import Refused

KNOWN = {"USD": 2, "EUR": 2, "BRL": 2, "RUB": 2, "CNY": 2, "JPY": 0, "KRW": 0, "CLP": 0, "KWD": 3, "TND": 3, "CLF": 4}


def test_currencies_have_the_decimals_of_iso_4217() -> None:
    """A sample of the table, and its size: every currency in use is in it."""
    assert {currency: money.EXPONENTS[currency] for currency in KNOWN} == KNOWN
    assert len(money.EXPONENTS) >= 150
    assert all(len(code) == 3 and code.isupper() for code in money.EXPONENTS)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.30", "USD", 1230),
        ("12.3", "USD", 1230),
        ("12", "USD", 1200),
        ("012.30", "USD", 1230),
        (".5", "USD", 50),
        ("5.", "USD", 500),
        ("0.01", "USD", 1),
        ("1230", "JPY", 1230),
        ("1.234", "KWD", 1234),
        ("1.2", "KWD", 1200),
        ("99999999999999.99", "USD", 9999999999999999),
    ],
)
def test_parse(text: str, currency: str, minor: int) -> None:
    """Digits with at most one point become minor units."""
    assert money.parse(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        ("0", "USD"),
        ("0.00", "USD"),
        ("-1", "USD"),
        ("+1", "USD"),
        ("-0", "USD"),
        ("1.234", "USD"),
        ("1.000", "USD"),
        ("1.0", "JPY"),
        ("1.2345", "KWD"),
        ("100000000000000", "USD"),
        ("100000000000000", "JPY"),
        ("9" * 60, "USD"),
        ("1", "ZZZ"),
        ("1", ""),
    ],
)
def test_parse_refuses(text: str, currency: str) -> None:
    """R11: zero, a sign, too many decimals even when zero, too much, an unknown currency."""
    with pytest.raises(Refused) as refusal:
        money.parse(text, currency)
    assert refusal.value.rule == "R11"


def test_zero_where_it_is_allowed() -> None:
    """A price or a completed amount may be zero, but bears no sign."""
    assert money.parse("0.00", "USD", zero=True) == 0
    with pytest.raises(Refused):
        money.parse("-0.00", "USD", zero=True)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1230, "USD", "12.30"), (5, "USD", "0.05"), (0, "USD", "0.00"), (-1230, "USD", "-12.30"), (1230, "JPY", "1230")],
)
def test_text(minor: int, currency: str, text: str) -> None:
    """Written with exactly the currency's decimals."""
    assert money.text(minor, currency) == text


@given(st.integers(min_value=1, max_value=10**16 - 1), st.sampled_from(sorted(KNOWN)))
def test_round_trip(minor: int, currency: str) -> None:
    """What is written is read again, by value and from the log."""
    minor = minor % (10 ** (14 + KNOWN[currency])) or 1
    written = money.text(minor, currency)
    assert money.parse(written, currency) == minor
    assert money.minor(written) == minor
    assert money.minor(money.text(-minor, currency)) == -minor
