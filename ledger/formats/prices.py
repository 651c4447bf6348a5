"""Prices as a shop window shows them: `US $1,382.11`, `129,46zł`, `1.234,56 €`.

The currency is known from elsewhere; it says how many decimals there are, which is what tells a decimal comma from one
between thousands. What can be read in two ways is not read at all.
"""

import re

from ledger.money import EXPONENTS

_DOLLARS = "USD CAD AUD NZD MXN CLP COP ARS SGD HKD TWD"

SIGNS: dict[str, str] = {
    "$": _DOLLARS,
    "us$": "USD",
    "c$": "CAD",
    "ca$": "CAD",
    "au$": "AUD",
    "a$": "AUD",
    "nz$": "NZD",
    "mx$": "MXN",
    "mxn$": "MXN",
    "cl$": "CLP",
    "clp$": "CLP",
    "cop$": "COP",
    "ars$": "ARS",
    "s$": "SGD",
    "sg$": "SGD",
    "hk$": "HKD",
    "nt$": "TWD",
    "r$": "BRL",
    "€": "EUR",
    "£": "GBP",
    "zł": "PLN",
    "zl": "PLN",
    "₽": "RUB",
    "руб": "RUB",
    "руб.": "RUB",
    "р.": "RUB",
    "₴": "UAH",
    "грн": "UAH",
    "грн.": "UAH",
    "₸": "KZT",
    "₪": "ILS",
    "₺": "TRY",
    "tl": "TRY",
    "₩": "KRW",
    "￦": "KRW",
    "¥": "JPY CNY",
    "￥": "JPY CNY",
    "jp¥": "JPY",
    "cn¥": "CNY",
    "円": "JPY",
    "元": "CNY",
    "kč": "CZK",
    "ft": "HUF",
    "lei": "RON",
    "kr": "SEK NOK DKK ISK",
    "kr.": "SEK NOK DKK ISK",
    "лв": "BGN",
    "лв.": "BGN",
    "sr": "SAR",
    "kd": "KWD",
    "฿": "THB",
    "rm": "MYR",
    "rp": "IDR",
    "₫": "VND",
    "đ": "VND",
    "₹": "INR",
    "₦": "NGN",
    "s/": "PEN",
}
"""What stands before or behind a price, in small letters and without spaces, and the currencies that it may mean."""

_SPACE = r"[ \u00a0\u2009\u202f]"
_PRICE = re.compile(
    rf"(?P<before>[^0-9]*?){_SPACE}*"
    rf"(?P<number>[0-9]+(?:(?:[.,'\u2019]|{_SPACE})[0-9]+)*)"
    rf"{_SPACE}*(?P<behind>[^0-9]*)"
)
_ALWAYS_BETWEEN_THOUSANDS = re.compile(rf"['\u2019]|{_SPACE}")
_LONGEST = 60


def price(text: str, currency: str) -> str:
    """Return the amount of a price, with exactly the decimals of its currency; ValueError where that would be a guess.

    A price in another currency is none, and `1,234` in one of two or three decimals may be a thousand or not.
    """
    found = _PRICE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None:
        raise ValueError(f"{text[:_LONGEST]!r} is not one price")
    for sign in (found["before"], found["behind"]):
        _check_sign(sign, currency, text)
    decimals = EXPONENTS[currency]
    whole, fraction = _parts(found["number"], decimals, text)
    if len(fraction) > decimals:
        raise ValueError(f"{text!r} has more decimals than {currency}")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{fraction.ljust(decimals, '0')}" if decimals else whole


def _check_sign(sign: str, currency: str, text: str) -> None:
    sign = re.sub(r"\s", "", sign)
    if not sign or sign == currency:
        return
    meant = [sign] if sign in EXPONENTS else SIGNS.get(sign.lower(), "").split()
    if not meant:
        raise ValueError(f"{text!r} has a sign that is not known: {sign!r}")
    if currency not in meant:
        raise ValueError(f"{text!r} is in {' or '.join(meant)}, not in {currency}")


def _parts(number: str, decimals: int, text: str) -> tuple[str, str]:
    """Return the digits before and after the decimal sign of a number."""
    spaced = _ALWAYS_BETWEEN_THOUSANDS.search(number) is not None
    plain = _ALWAYS_BETWEEN_THOUSANDS.sub("'", number)
    kinds = sorted(set(plain) & set(".,"), key=plain.rindex)
    if len(kinds) + spaced > 2:
        raise ValueError(f"{text!r} is no number")
    if not kinds:
        return _grouped(plain, "'", text), ""
    last = kinds[-1]
    if plain.count(last) > 1:
        if len(kinds) + spaced > 1:
            raise ValueError(f"{text!r} is no number")
        return _grouped(plain, last, text), ""
    whole, _, fraction = plain.partition(last)
    if len(kinds) == 2:
        return _grouped(whole, kinds[0], text), fraction
    if spaced:
        return _grouped(whole, "'", text), fraction
    if len(fraction) != 3 or len(whole) > 3 or whole.startswith("0"):
        return whole, fraction
    if decimals == 0:
        return whole + fraction, ""
    raise ValueError(f"{text!r} may be {whole}{fraction} or {whole}.{fraction}")


def _grouped(number: str, separator: str, text: str) -> str:
    """Return the digits of a whole number that may be written in threes."""
    first, *threes = number.split(separator)
    if not first.isdecimal() or (threes and not 1 <= len(first) <= 3) or any(len(part) != 3 for part in threes):
        raise ValueError(f"{text!r} is no number")
    return first + "".join(threes)
